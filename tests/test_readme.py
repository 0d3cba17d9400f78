"""README.md is tried: its commands are those that the checks run, its snippets run, its links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hotswap.control.verbs import cli
from hotswap.errors import CODES
from tests.examples.shop import MIGRATE, SERVE

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")


def fenced(language: str) -> list[str]:
    """The code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def ci_command(name: str) -> str:
    """A command that ``.ci/run`` keeps in a variable."""
    found = re.search(rf'^{name}="(.*)"$', CI, re.MULTILINE)
    assert found, f".ci/run sets no {name}"
    return found[1]


def test_the_test_command_is_the_one_of_ci() -> None:
    """What a newcomer pastes is what ``.ci/run`` runs, and it is one line."""
    assert f"{ci_command('setup')} && {ci_command('tests')}\n" in fenced("sh")
    assert 'with_python "$python" "$env" "$setup"' in CI
    assert 'with_python "$python" "$env" "$tests"' in CI


def test_the_example_command_is_the_one_of_the_tests() -> None:
    """The line that starts the example is set-up as in CI, then the two commands that the example's tests run."""
    steps = [ci_command("setup"), f".venv/bin/{MIGRATE}", f".venv/bin/{SERVE}"]
    assert " && ".join(steps) + "\n" in fenced("sh")


@pytest.mark.once  # much the same on every interpreter
@pytest.mark.parametrize("number", range(len(fenced("python"))))
def test_python_snippets_run(number: int, tmp_path: Path) -> None:
    """Every Python block runs as it stands, in a folder of its own."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(fenced("python")[number], "utf-8")
    done = subprocess.run(
        [sys.executable, str(snippet)], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.once  # much the same on every interpreter
def test_options_and_commands_exist() -> None:
    """Every command and option of hotswap that README.md names is known to the command line."""
    commands = sorted(set(re.findall(r"\bhotswap (run|preview|explain|[a-z]+) [A-Z-]", README)))
    assert {"run", "explain"} <= set(commands)
    for command in commands:
        assert help_of(command), command
    options = set(re.findall(r"^\| `(--[a-z-]+)", README, re.MULTILINE))
    assert options
    assert {option for option in options if option not in help_of("run")} == set()


def test_codes_exist_and_classes_of_codes_are_used() -> None:
    """Every code that README.md names can be explained."""
    assert {code for code in re.findall(r"\bHS\d{3}\b", README) if code not in CODES} == set()
    assert {name for name in re.findall(r"\bHS\d(?=xx)", README) if not any(code.startswith(name) for code in CODES)} == set()


def help_of(command: str) -> str:
    done = CliRunner().invoke(cli, [command, "--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("page", ["README.md", "examples/django_app/README.md", "hotswap/README.md", "plugins/README.md",
                                  "plugins/hotswap-django/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Relative links point at files that exist."""
    text = (ROOT / page).read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []
