"""The Dockerfile and the Debian package against scripts/lib.sh, which says what hadal needs to build and to run."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Tools of the scripts, which a package's build does not need; the compiler is always there.
SCRIPTS_ONLY = {"g++", "ca-certificates", "curl", "python3", "python3-pip"}


def library_list(name):
    """The package list of this name in lib.sh; A|B stays as it is."""
    text = (ROOT / "scripts/lib.sh").read_text()
    body = re.search(rf"readonly {name}=\((.*?)\n?\)", text, re.S).group(1)
    return [word.strip("'") for word in body.split()]


def docker_stages():
    """Of each stage: its instructions, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    stages = []
    for line in lines:
        if line.startswith("FROM"):
            stages.append([])
        if stages:
            stages[-1].append(line)
    return stages


def installed(stage):
    run = next(line for line in stage if "apt-get install" in line)
    words = run.split("apt-get install", 1)[1].split("&&")[0].split()
    return [word for word in words if not word.startswith("-")]


def for_debian_12(packages):
    # Debian 12 has Boost 1.81.
    return {name.split("|")[-1] for name in packages}


def test_dockerfile_installs_what_the_scripts_do():
    build, runtime = docker_stages()
    assert set(installed(build)) == for_debian_12(library_list("BUILD_PACKAGES"))
    assert set(installed(runtime)) == set(library_list("RUNTIME_PACKAGES"))
    for stage in (build, runtime):
        names = installed(stage)
        assert len(names) == len(set(names))


def test_dockerfile_base_is_pinned_and_user_is_not_root():
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^ARG BASE=debian:bookworm-\d{8}-slim$", text, re.M)
    build, runtime = docker_stages()
    assert build[0].startswith("FROM ${BASE}") and runtime[0].startswith("FROM ${BASE}")
    user = next(line for line in runtime if line.startswith("USER ")).split()[1]
    uid, group = user.split(":")
    assert int(uid) >= 10000 and group == "0", "group 0 is what an arbitrary user of OpenShift is in"
    assert 'ENTRYPOINT ["/usr/bin/hadal"]' in runtime
    forbidden = re.compile(r"(^|-)(gcc|g\+\+|clang|cmake|ninja|make|build-essential)|-dev$")
    assert not [name for name in installed(runtime) if forbidden.search(name)]


def test_docker_context_has_what_the_build_copies():
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignore if line.startswith("!")}
    copied = set()
    for line in docker_stages()[0] + docker_stages()[1]:
        if line.startswith("COPY") and "--from" not in line:
            copied.update(line.split()[1:-1])
    assert copied <= kept
    for name in copied:
        assert (ROOT / name).exists(), name


def test_debian_package_builds_with_the_same_libraries():
    control = (ROOT / "packaging/debian/control").read_text()
    body = re.search(r"^Build-Depends:(.*?)^\S", control, re.S | re.M).group(1)
    depends = {entry.strip().replace(" ", "") for entry in body.split(",") if entry.strip()}
    depends = {re.sub(r"\(.*\)", "", entry) for entry in depends} - {"debhelper-compat"}
    assert depends == set(library_list("BUILD_PACKAGES")) - SCRIPTS_ONLY


def test_versions_are_one():
    version = re.search(r"project\(hadal VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    changelog = (ROOT / "packaging/debian/changelog").read_text()
    assert changelog.startswith(f"hadal ({version}) ")
    assert f"hadal {version}" in (ROOT / "packaging/debian/hadal.1").read_text()


def test_manual_page_names_every_command():
    """The flag table's, as the reference prints them."""
    page = (ROOT / "packaging/debian/hadal.1").read_text()
    deploy = page[page.index("hadal deploy render"):page.index(".B hadal preflight")]
    used = set(re.findall(r"\| ([a-z ,]+) \| [^|]* \| [^|]* \|$", (ROOT / "docs/flags.md").read_text(), re.M))
    commands = {name for names in used for name in names.split(", ")} - {"all", "commands"}
    assert {"serve", "pull", "deploy apply"} <= commands, commands
    for command in commands:
        word = command.removeprefix("deploy ")
        assert word in deploy if command != word else f"hadal {word}" in page, command


def test_unit_and_its_settings_name_flags_that_exist():
    flags = (ROOT / "docs/flags.md").read_text()
    settings = (ROOT / "packaging/debian/hadal.yaml").read_text()
    keys = re.findall(r"^#?([a-z][a-z-]+): ", settings, re.M)
    assert "model-path" in keys
    for key in keys:
        assert f"`--{key}" in flags, key
    unit = (ROOT / "packaging/debian/hadal.service").read_text()
    assert "--config /etc/hadal/hadal.yaml" in unit and "User=hadal" in unit
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n"):
        assert line in unit


def test_scripts_are_shell():
    for name in ("image-size", "package-deb", "lib.sh"):
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / name)], check=True)


def test_changelog_is_readable_to_dpkg():
    if shutil.which("dpkg-parsechangelog") is None:
        pytest.skip("dpkg-dev is not installed")
    done = subprocess.run(
        ["dpkg-parsechangelog", "-l", str(ROOT / "packaging/debian/changelog"), "-S", "Distribution"],
        capture_output=True, text=True, check=True,
    )
    assert done.stdout.strip() == "unstable" and done.stderr == ""
