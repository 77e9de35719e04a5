"""The networks: analysis and synthesis (mirror images), hyperprior and means, and the integer rows. The package itself imports no torch;
its modules do."""
