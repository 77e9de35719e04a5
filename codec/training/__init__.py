"""How the networks are trained and released; needs the extra `train`. Nothing outside this folder imports it."""
