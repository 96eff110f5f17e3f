"""The worst days of a proxy: servers that go, networks that are cut, disks that are full, peers that lie or flood."""
