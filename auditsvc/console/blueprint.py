"""The blueprint every page module adds its routes to."""

from flask import Blueprint

blueprint = Blueprint("console", __name__, template_folder="templates")
"""Routes of the console; templates live below ``templates/console``, static files below ``static``."""
