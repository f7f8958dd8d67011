"""The version of this package, of which plans that `tune` found are a part."""

__version__ = "0.2.0.dev0"
