"""The product's settings, with one more address for the decision benchmark."""

from console.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.echo_urls"
