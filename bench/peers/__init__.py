"""The programs that are compared, each doing the same work, and the servers behind them."""
