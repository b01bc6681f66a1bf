"""Redis: keys, scripts, streams, leases, holds, the trail."""
