"""What tools/generate_traffic is made of. Python's standard library only.

Reading order: intent.py (what a frame is meant to become), network.py (who has which address), wire.py (bytes),
flow.py (conversations), then the scenarios (everyday.py, mail.py, abuse.py, fragments.py, headers.py, oddities.py),
then timeline.py, which interleaves them.
"""
