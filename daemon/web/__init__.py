"""The page for a browser: `gallery-optimizer serve`. Needs the extra `serve`."""
