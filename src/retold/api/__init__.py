"""HTTP and live sockets, translated to use cases; one router file per SDK resource."""
