#include "cli/network_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>

#include "cli/flag.h"

namespace cloche::cli {
namespace {

constexpr int kMostNetworks = 8;

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::kInvalidArgument, std::move(what)); }

template <typename Number>
bool read_number(std::string_view text, Number& number, int base = 10) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool read_mac(std::string_view text, std::array<uint8_t, 6>& mac) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < mac.size(); ++i) {
    if (!read_number(text.substr(3 * i, 2), mac[i], 16) || (i != 0 && text[3 * i - 1] != ':')) return false;
  }
  return true;
}

// One word behind a comma; empty: it is none that is known.
Result<bool> take_option(std::string_view word, Network& network) {
  if (word == "no-dhcp") {
    network.dhcp = Dhcp::kOff;
  } else if (word == "vfkit") {
    network.greeting = DatagramGreeting::kVfkit;
  } else if (word.starts_with("mac=")) {
    if (!read_mac(word.substr(4), network.mac.emplace()))
      return bad(fmt::format("'{}' is no MAC address; write it as 02:00:00:00:00:01", word.substr(4)));
  } else if (word.starts_with("mtu=")) {
    if (!read_number(word.substr(4), network.mtu)) return bad(fmt::format("'{}' is no MTU", word.substr(4)));
  } else {
    return false;
  }
  return true;
}

struct Form {
  std::string_view begin;
  NetworkKind kind;
};
constexpr Form kForms[] = {
    {"tap=", NetworkKind::kTap}, {"stream=", NetworkKind::kStream}, {"datagram=", NetworkKind::kDatagram}};

}  // namespace

Result<Network> parse_network(const std::string& text) {
  Network network;
  std::string rest = text.empty() ? "passt" : text;
  for (size_t comma; (comma = rest.rfind(',')) != std::string::npos; rest.resize(comma)) {
    auto taken = take_option(std::string_view(rest).substr(comma + 1), network);
    if (!taken) return std::unexpected(std::move(taken).error());
    if (!*taken) break;
  }
  if (rest == "passt") return network;
  for (const Form& form : kForms) {
    if (!rest.starts_with(form.begin) || rest.size() == form.begin.size()) continue;
    network.kind = form.kind;
    network.path = rest.substr(form.begin.size());
    return network;
  }
  return bad(
      fmt::format("'{}' is no network: passt, tap=NAME, stream=PATH or datagram=PATH, and behind commas "
                  "mac=MAC, mtu=N, no-dhcp, vfkit",
                  text));
}

Result<Tsi> parse_tsi(const std::string& text) {
  Tsi tsi;
  for (size_t from = 0; from < text.size();) {
    size_t comma = std::min(text.find(',', from), text.size());
    std::string word = text.substr(from, comma - from);
    from = comma + 1;
    if (word == "loopback") {
      tsi.loopback = TsiLoopback::kAllowed;
    } else if (word == "all-ports") {
      tsi.listeners = TsiListeners::kAll;
    } else if (word == "no-inet") {
      tsi.inet = TsiInet::kOff;
    } else if (word.starts_with("unix=")) {
      tsi.unix_directories.push_back(word.substr(5));
    } else {
      return bad(fmt::format("'{}' is none of loopback, all-ports, no-inet and unix=DIRECTORY", word));
    }
  }
  return tsi;
}

Result<PublishedPort> parse_published_port(const std::string& text) {
  auto wrong = [&] {
    return bad(
        fmt::format("'{}' is no port to publish; write it as 8080:80, 0.0.0.0:8080:80 or 0.0.0.0:5353:53/udp", text));
  };
  PublishedPort port;
  std::string_view rest = text;
  if (rest.ends_with("/udp")) port.protocol = PortProtocol::kUdp;
  if (rest.ends_with("/udp") || rest.ends_with("/tcp")) rest.remove_suffix(4);
  size_t guest = rest.rfind(':');
  if (guest == std::string_view::npos || !read_number(rest.substr(guest + 1), port.guest_port)) return wrong();
  rest = rest.substr(0, guest);
  if (size_t host = rest.rfind(':'); host != std::string_view::npos) {
    port.address = rest.substr(0, host);
    rest = rest.substr(host + 1);
  }
  if (!read_number(rest, port.host_port)) return wrong();
  return port;
}

void add_network_flags(CLI::App& app, RunRequest& request) {
  constexpr const char* kGroup = "Network";
  add(app, kGroup,
      {"--net", "[=tap=NAME|stream=PATH|datagram=PATH][,mac=MAC]...",
       "Give the guest a network: the host's, through passt, or one that somebody else serves; see docs/network.md"},
      [&](const std::string& text) { return append(parse_network(text), request.config.networks); })
      ->expected(0, kMostNetworks);
  add(app, kGroup,
      {"--tsi", "[=loopback|all-ports|no-inet|unix=DIRECTORY,...]",
       "Let the guest's programs use the host's sockets, with a kernel of libkrunfw's; see docs/network.md"},
      [&](const std::string& text) { return store(parse_tsi(text), request.config.tsi); })
      ->expected(0, 1);
  add(app, kGroup,
      {"-p,--publish", "[ADDRESS:]HOST:GUEST[/udp]",
       "Lead a port of the host, at 127.0.0.1 unless told otherwise, to one of the guest; may be repeated"},
      [&](const std::string& text) { return append(parse_published_port(text), request.ports); });
}

Result<void> place_ports(RunRequest& request) {
  if (request.ports.empty()) return {};
  if (request.config.tsi && request.config.networks.empty()) {
    request.config.tsi->ports = std::move(request.ports);
    return {};
  }
  auto passt = std::ranges::find(request.config.networks, NetworkKind::kPasst, &Network::kind);
  if (passt == request.config.networks.end()) return bad("-p: it needs a network through passt, or TSI; add --net");
  passt->ports = std::move(request.ports);
  return {};
}

}  // namespace cloche::cli
