"""What the 2021 study printed (Lang, Wang, Shi: Image Matting, 10 December 2021), beside our numbers."""

IMAGES = 34_427          # section 2.1
TRAIN_IMAGES = 28_426    # section 2.2
TEST_IMAGES = 6_000      # section 2.2; the two add up to 34,426
SIZE = 28                # section 2.1: 600x800 resized to 28x28
HYPERPARAMETERS = {"num_epochs": 10, "batch_size": 64, "learning_rate": 0.01}  # Table 1
LOSS = {                 # Table 2: alpha-prediction loss; region of the mean not stated
    "VGG-16": {"train": 0.169581, "test": 0.301838},
    "VGG-16 (with DA)": {"train": 0.146492, "test": 0.296174},
}
