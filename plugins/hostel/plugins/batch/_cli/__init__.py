"""`hostel batch` on the command line.

commands  the commands, their options and what they print
submit    a batch begun and worked on in this process, its progress shown
"""
