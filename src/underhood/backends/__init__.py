"""torch.backends: switches of libraries that the engine does not use. They may be set, and change nothing."""

from underhood.backends import cuda as cuda
from underhood.backends import cudnn as cudnn
from underhood.backends import mps as mps
