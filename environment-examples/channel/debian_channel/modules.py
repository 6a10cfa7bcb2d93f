"""Packages of Python modules: from the distribution's packages and from the wheels it ships."""

import base64
import configparser
import email
import hashlib
import re
import shutil
import zipfile
from pathlib import Path

from .archives import list_files
from .errors import BuildError
from .layout import Layout


def fill_from_package(tree, debian, target, deb, *, noarch, version, requires=(), drop=()):
    """The modules of a Debian package; a `.egg-info` folder becomes a `.dist-info` one.

    Debian strips the requirements from some packages' metadata, because dpkg knows them:
    `requires` (conda's spelling) puts them back for pip.
    """
    layout = Layout(target.triplet, noarch=noarch is not None)
    site = Path(tree, "site-packages" if noarch else "lib/python3.11/site-packages")
    site_name = str(site.relative_to(tree))
    layout.copy(debian.package(deb).tree, tree, keep=(f"{site_name}/*",),
                drop=(f"{site_name}/*/tests/*", *drop))
    for egg_info in sorted(site.glob("*.egg-info")):
        egg_info_to_dist_info(egg_info, version, requires, pure=noarch is not None)


def fill_from_wheel(tree, debian, deb):
    """The modules of the one wheel that a Debian package ships."""
    wheels = sorted((debian.package(deb).tree / "usr/share/python-wheels").glob("*.whl"))
    if len(wheels) != 1:
        raise BuildError(f"the Debian package `{deb}` has not exactly one wheel")
    site = Path(tree, "site-packages")
    site.mkdir()
    with zipfile.ZipFile(wheels[0]) as archive:
        for name in archive.namelist():
            if ".data/" in name or name.startswith("/") or ".." in name.split("/"):
                raise BuildError(f"`{wheels[0].name}` has a member that is not a module: {name}")
        archive.extractall(site)
    # Programs that build and remove things on Windows only.
    for program in site.rglob("*.exe"):
        program.unlink()


def wheel_entry_points(debian, deb):
    """The programs that a wheel of the distribution declares, without versioned names."""
    wheel = sorted((debian.package(deb).tree / "usr/share/python-wheels").glob("*.whl"))[0]
    with zipfile.ZipFile(wheel) as archive:
        name, = [n for n in archive.namelist() if n.endswith(".dist-info/entry_points.txt")]
        text = archive.read(name).decode()
    parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    if not parser.has_section("console_scripts"):
        return ()
    return tuple(
        f"{program} = {function}" for program, function in sorted(parser["console_scripts"].items())
        if not re.search(r"\d\.\d+$", program))


def egg_info_to_dist_info(egg_info, version, requires, *, pure):
    """Writes METADATA, WHEEL and the rest of a `.dist-info` folder from an `.egg-info` folder."""
    dist_info = egg_info.with_name(egg_info.name.removesuffix(".egg-info") + ".dist-info")
    old_version = email.message_from_string((egg_info / "PKG-INFO").read_text("utf-8"))["Version"]
    if old_version != version:
        # Debian marks what it repacked with `+repack`; the name of the folder has it too.
        plain = dist_info.name.replace(old_version, version)
        dist_info = dist_info.with_name(plain)
    dist_info.mkdir()
    head, separator, body = (egg_info / "PKG-INFO").read_text("utf-8").partition("\n\n")
    head = head.replace(f"Version: {old_version}", f"Version: {version}")
    if "Requires-Dist" not in head:
        for requirement in requires:
            name, _, bounds = requirement.partition(" ")
            head += f"\nRequires-Dist: {name} ({bounds})" if bounds else f"\nRequires-Dist: {name}"
    (dist_info / "METADATA").write_text(head + (separator or "\n") + body, "utf-8")
    (dist_info / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: make-debian-channel\n"
        f"Root-Is-Purelib: {str(pure).lower()}\n"
        f"Tag: {'py3-none-any' if pure else 'cp311-cp311-linux'}\n\n")
    for name in ("entry_points.txt", "top_level.txt"):
        if (egg_info / name).exists():
            shutil.copyfile(egg_info / name, dist_info / name)
    shutil.rmtree(egg_info)


def write_records(tree):
    """INSTALLER and RECORD of each Python distribution in `tree`, as an installer leaves them.

    Compiled modules are not listed: pip knows where they are.
    """
    for dist_info in sorted(Path(tree).glob("**/site-packages/*.dist-info")):
        site = dist_info.parent
        (dist_info / "INSTALLER").write_text("conda\n")
        record = dist_info / "RECORD"
        record.unlink(missing_ok=True)
        lines = []
        for name in list_files(site):
            if name.endswith(".pyc"):
                continue
            content = (site / name).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            quoted = f'"{name}"' if "," in name else name
            lines.append(f"{quoted},sha256={digest.rstrip('=')},{len(content)}\n")
        lines.append(f"{dist_info.name}/RECORD,,\n")
        record.write_text("".join(lines))
