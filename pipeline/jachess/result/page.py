"""The frame of the report's page."""

from __future__ import annotations

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – jachess</title>
<style>
  body {{ font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: #fff; margin: 0; }}
  main {{ max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }}
  h1 {{ font-size: 1.6rem; margin: 0 0 1rem; overflow-wrap: anywhere; }}
  h2 {{ font-size: 1.15rem; margin: 2rem 0 .5rem; }}
  table {{ border-collapse: collapse; width: 100%; font-size: .93rem; }}
  th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-top: 1px solid #ddd; }}
  th[scope=row] {{ font-weight: 500; color: #444; white-space: nowrap; }}
  td {{ overflow-wrap: anywhere; }}
  figure {{ margin: 0; }}
  img {{ max-width: 100%; height: auto; display: block; }}
  figcaption {{ color: #444; font-size: .9rem; margin-top: .4rem; }}
  .verdict {{ border-left: .5rem solid; padding: .6rem 1rem; font-weight: 600; background: #f5f5f5; }}
  .verdict span {{ font-size: 1.2em; margin-right: .3em; }}
  .passed {{ border-color: #0072B2; }}
  .failed {{ border-color: #D55E00; }}
  .running {{ border-color: #666666; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
"""

TAIL = """</main>
</body>
</html>
"""
