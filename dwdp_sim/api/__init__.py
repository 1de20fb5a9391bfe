"""The functions behind `import dwdp_sim`: the commands' questions, asked and answered in Python."""
