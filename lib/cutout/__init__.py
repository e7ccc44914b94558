"""A portrait of one's own: `from lib import cutout; cutout.load().cut_out("photo.jpg").rgba.save("out.png")`.

`python -m lib cutout` is the same as a command. NumPy, Pillow and ONNX Runtime are all that it takes; clips need OpenCV,
the solvers pymatting. (`lib.cutout.matte`, a trained network of this paper on a trimap of one's own, takes PyTorch.)
"""

from lib.cutout.cutter import METHODS, CutOut, Cutter, load

__all__ = ["METHODS", "CutOut", "Cutter", "load"]
