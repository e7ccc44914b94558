"""What the 2021 study printed (Lang, Wang, Shi: Image Matting, 10 December 2021)."""

IMAGES = 34_427  # section 2.1
TRAIN_IMAGES = 28_426  # section 2.2
TEST_IMAGES = 6_000  # section 2.2; the two add up to 34,426
SIZE = 28  # section 2.1: 600x800 resized to 28x28
HYPERPARAMETERS = {"num_epochs": 10, "batch_size": 64, "learning_rate": 0.01}  # Table 1
# "The encoder portion has the same number of parameters as VGG-16": of its 13 convolutional layers, biases included
# (Simonyan and Zisserman 2014, configuration D).
ENCODER_PARAMETERS = 14_714_688
STEPS = HYPERPARAMETERS["num_epochs"] * (TRAIN_IMAGES // HYPERPARAMETERS["batch_size"])  # of whole batches: 4,440
LOSS = {  # Table 2: alpha-prediction loss; region of the mean not stated
    "VGG-16": {"train": 0.169581, "test": 0.301838},
    "VGG-16 (with DA)": {"train": 0.146492, "test": 0.296174},
}


def values() -> dict[str, float]:
    """The same by the names that the article and the claims quote ("study.test.vgg_16" ...)."""
    names = {"vgg_16": LOSS["VGG-16"], "vgg_16_da": LOSS["VGG-16 (with DA)"]}
    values = {
        "images": IMAGES,
        "train_images": TRAIN_IMAGES,
        "test_images": TEST_IMAGES,
        "split_sum": TRAIN_IMAGES + TEST_IMAGES,
        "test_share": TEST_IMAGES / (TRAIN_IMAGES + TEST_IMAGES),
        "size": SIZE,
        "steps": STEPS,
        "epochs": HYPERPARAMETERS["num_epochs"],
        "batch_size": HYPERPARAMETERS["batch_size"],
        "learning_rate": HYPERPARAMETERS["learning_rate"],
        **{f"{side}.{name}": loss[side] for side in ("train", "test") for name, loss in names.items()},
        "da_difference": names["vgg_16_da"]["test"] - names["vgg_16"]["test"],
        "encoder_parameters": ENCODER_PARAMETERS,
    }
    return {f"study.{name}": value for name, value in values.items()}
