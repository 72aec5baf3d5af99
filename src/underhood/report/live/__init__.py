"""The live page: all runs of a folder and, while they run, what their trials come to.

    underhood view                  serve the page of ./runs on this machine alone, and open it

watching.py   the folder's runs in memory, brought up to date from their files
trial.py      one trial's files, read when they change
tails.py      what was added to a trial's metrics and log since one looked last
guard.py      who is answered: right token, right host, not too many at once
page.py       the page itself, one text with its style and its script
server.py     what is answered (Starlette), and where (uvicorn)

What is shown is read from the store's files, so any run is followed, whoever started it. While nobody looks, nothing
is read.
"""
