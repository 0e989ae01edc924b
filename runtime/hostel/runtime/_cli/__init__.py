"""The commands of `hostel`: those of all plugins, and one of the runtime's own.

Imports point down this list.

commands          the whole command line, made of what plugins add
plugins_command   `hostel plugins`: tries the plugins and says what is wrong
output            what commands print to, whoever reads it
"""
