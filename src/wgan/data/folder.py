"""The images of a folder."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm import tqdm

from wgan import PROJECT
from wgan.data.images import ImageData
from wgan.errors import UserError

HELD_OUT_EVERY = 10


class FolderImages(ImageData):
    """PNG, JPEG and other files in `root`, or in folders in it, as images of `size` x `size` pixels, grey or in colour.

    Each is scaled by its shorter side and cropped to its centre. Transparent pixels become white. The folders are
    classes, in the order of their names. In the order of the files' names, each tenth image is held out.
    """

    def __init__(self, *, root: str, size: int, channels: int, batch_size: int, n_critic: int, seed: int) -> None:
        super().__init__(batch_size=batch_size, n_critic=n_critic, seed=seed)
        self.root = PROJECT / root
        self.size = size
        self.channels = channels

    def load(self, *, train: bool) -> tuple[Tensor, Tensor]:
        """See `ImageData.load`. Labels are 0 where there are no classes.

        Raises:
            UserError: if there are no images, or one that is damaged or smaller than `size`.
        """
        files = find_images(self.root)
        classes = sorted({folder for path in files if (folder := find_class(path, self.root))})
        chosen = [path for k, path in enumerate(files) if (k % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) != train]
        labels = [classes.index(find_class(path, self.root)) if classes else 0 for path in chosen]
        read = partial(read_image, size=self.size, channels=self.channels)
        with ThreadPoolExecutor() as threads:  # Pillow lets go of the interpreter while it works
            bar = tqdm(threads.map(read, chosen), "Reading images", len(chosen), leave=False, disable=None, delay=1)
            images = torch.stack(list(bar))
        return images, torch.tensor(labels)

    def describe_number(self) -> str:
        return f"the number of images in {self.root} that are trained on"


def find_images(root: Path) -> list[Path]:
    """The files of images in a folder, or in folders in it, in the order of their names.

    Raises:
        UserError: if there are too few to hold some out, or some lie in folders and some beside them.
    """
    inside = (*root.glob("*"), *root.glob("*/*"))
    files = sorted(path for path in inside if path.suffix.lower() in IMG_EXTENSIONS and path.is_file())
    if len(files) < HELD_OUT_EVERY:
        words = ", ".join(suffix[1:] for suffix in IMG_EXTENSIONS)
        raise UserError(f"data.root={root}: has {len(files)} images, of {words}; name a folder with more")
    if len({bool(find_class(path, root)) for path in files}) > 1:
        raise UserError(f"data.root={root}: has images in folders, which are classes, and beside them; move these")
    return files


def find_class(path: Path, root: Path) -> str:
    """The folder in `root` in which a file is; "" of one in `root` itself."""
    first, *others = path.relative_to(root).parts
    return first if others else ""


def read_image(path: Path, *, size: int, channels: int) -> Tensor:
    """An image, uint8 (channels, size, size).

    Raises:
        UserError: if the file is damaged, or its shorter side less than `size`.
    """
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not an image that can be read ({error}); remove it or mend it") from error
    if min(image.size) < size:
        raise UserError(f"{path}: is of {image.width} x {image.height} pixels; set a smaller data.size, or remove it")
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) // 257).clip(0, 255).astype(np.uint8))
    elif image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    fitted = ImageOps.fit(image.convert("L" if channels == 1 else "RGB"), (size, size))
    return torch.from_numpy(np.array(fitted)).view(size, size, channels).permute(2, 0, 1).contiguous()
