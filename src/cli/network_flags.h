// "--net" and "-p": a VM's networks.
#pragma once

#include <string>

#include "cli/run_flags.h"

namespace cloche::cli {

// "" or "passt", "tap=NAME", "stream=PATH", "datagram=PATH"; behind commas "mac=MAC", "mtu=N", "no-dhcp", and "vfkit"
// for a datagram socket. PATH may have commas.
Result<Network> parse_network(const std::string& text);
// "[ADDRESS:]HOST:GUEST[/tcp|/udp]".
Result<PublishedPort> parse_published_port(const std::string& text);

void add_network_flags(CLI::App& app, RunRequest& request);
Result<Tsi> parse_tsi(const std::string& text);
// Puts the ports of -p where passt publishes them. After all flags were parsed.
Result<void> place_ports(RunRequest& request);

}  // namespace cloche::cli
