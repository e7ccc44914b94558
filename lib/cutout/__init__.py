"""A portrait of one's own: `from lib import cutout; cutout.load().cut_out("photo.jpg").rgba.save("out.png")`.

`python -m lib cutout` is the same as a command. NumPy, Pillow and ONNX Runtime are all that it needs; hybrid and closed-form
need pymatting and OpenCV, a training of this paper needs PyTorch.
"""

from lib.cutout.cutter import METHODS, CutOut, Cutter, load

__all__ = ["METHODS", "CutOut", "Cutter", "load"]
