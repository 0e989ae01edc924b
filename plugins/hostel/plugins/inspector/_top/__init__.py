"""`hostel top`: live tasks on a whole screen, with keys to act on them.

top     the command: what is drawn, and what each key does
view    what is on the screen: rows, the one selected, a question to confirm; pure
screen  the terminal, taken over and given back
keys    what was typed, as keys; pure
"""
