"""`python -m tools.pictures`: start the demo, photograph every page and component, write the pages that show them."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.chromium import provide
from tools.pictures.index import write
from tools.pictures.routes import COMPONENTS, PAGES, WITHOUT, pages, ready


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Take all pictures anew; 1 when a page has none and no reason."""
    ready()
    from tools.pictures.camera import Camera
    from tools.pictures.scenes import DARK, SCENES, kit
    from tools.pictures.studio import open_studio, open_town

    chromium = provide()
    with tempfile.TemporaryDirectory(prefix="meterhall-pictures-") as folder, open_town(Path(folder), say) as stage:
        camera, parts = Camera(Path(folder) / "shots" / "pages"), Camera(Path(folder) / "shots" / "components")
        with open_studio(stage, chromium, camera, DARK) as studio:
            for scene in SCENES:
                say(f"pictures: {scene.__name__}")
                scene(studio)
            studio.camera = parts
            kit(studio)
        for one, place in ((camera, PAGES), (parts, COMPONENTS)):
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(one.folder, place)
    write()
    missing = [name for name in pages() if name not in camera.taken and name not in WITHOUT]
    say(f"{len(camera.taken)} pages photographed; without a picture or a reason: {missing or 'none'}")
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
