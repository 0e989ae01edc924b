"""One word for each chore: lint, types, test, lowest, oracles, docs, examples, bench."""

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "test-3.11"]
nox.options.reuse_existing_virtualenvs = True

EXAMPLES = {
    "background_shell": [],
    "embed": [],
    "fastapi_app": ["fastapi>=0.115", "uvicorn>=0.32"],
    "langgraph_agent": ["langgraph>=1.2"],
    "openai_agents_agent": ["openai-agents>=0.20"],
    "pydantic_ai_agent": ["pydantic-ai-slim>=2.0"],
    "sync_program": [],
}
"""What each example needs beside hostel."""


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install("ruff>=0.12")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright."""
    session.install("-e", ".[test]")
    session.run("mypy")
    session.run("pyright")


@nox.session(python=["3.11", "3.12", "3.13"])
def test(session: nox.Session) -> None:
    """Run the tests and show what they do not reach; from 3.12 on those of sessions with eager tasks too."""
    session.install("-e", ".[test]")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest versions that pyproject.toml allows."""
    session.install("uv>=0.9")
    session.run("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
@nox.parametrize("hub", ["1.33.*", "2.*"])
def oracles(session: nox.Session, hub: str) -> None:
    """Pull models beside one major version of huggingface_hub, and from olah in an environment of its own."""
    session.install("-e", ".[test]", f"huggingface_hub=={hub}")
    olah = Path(session.create_tmp()) / "olah"
    session.run("python", "-m", "venv", olah)
    session.run(olah / "bin" / "pip", "install", "-q", "olah>=0.5.4", external=True)
    environment = {"HOSTEL_OLAH": str(olah / "bin" / "olah-cli")}
    session.run("pytest", "tests/plugins/model_pull", *session.posargs, env=environment)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every snippet of the README and of docs/, and check that they cover all hooks and commands."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
@nox.parametrize("example", sorted(EXAMPLES), ids=sorted(EXAMPLES))
def examples(session: nox.Session, example: str) -> None:
    """Install the framework of an example in an environment of its own, and run it."""
    session.install("-e", ".", *EXAMPLES[example])
    session.run("python", f"examples/{example}.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Run one benchmark (`nox -s bench -- tasks`) and print its table."""
    session.install("-e", ".[all,bench]")
    session.run("python", f"benchmarks/{session.posargs[0] if session.posargs else 'tasks'}.py")
