// What of the host's sockets the guest's programs use (cloche/tsi.h).
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "api/plan.h"
#include "base/fd.h"
#include "base/printable.h"
#include "boot/kernel_image.h"

namespace cloche {
namespace {

constexpr size_t kHeadSize = 0x1000;
constexpr size_t kMostPorts = 256;
constexpr size_t kMostDirectories = 64;
constexpr uint32_t kStreamPort = 620;  // Of vsock, where TSI's streams go.
// The second has the servers that systemd's resolver, which is the only one in the first then, asks itself.
constexpr const char* kResolvConfs[] = {"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"};

std::unexpected<Error> bad(std::string_view field, std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("TSI: {}: {}", field, why));
}

Result<void> check_kernel_knows(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY));
  std::vector<std::byte> head(kHeadSize);
  head.resize(TRY(read_full(fd.get(), head)));
  if (TRY(boot::recognize(path, head)) == boot::KernelFormat::kKrunBundle) return {};
  return bad("kernel", fmt::format("{} is no libkrunfw library, and other kernels do not know it; use a network",
                                   printable(path)));
}

Result<void> plan_ports(const Tsi& tsi, wire::VmTsi& planned) {
  if (tsi.ports.size() > kMostPorts)
    return bad("ports", fmt::format("{}, and {} are the most", tsi.ports.size(), kMostPorts));
  if (tsi.inet == TsiInet::kOff && !tsi.ports.empty()) return bad("ports", "they need IPv4 and IPv6");
  std::set<uint16_t> guests, hosts;
  for (const PublishedPort& port : tsi.ports) {
    in_addr address{};
    if (port.protocol != PortProtocol::kTcp) return bad("ports", "only TCP's can be published");
    if (port.host_port == 0 || port.guest_port == 0) return bad("ports", "a port is one of 1 to 65535");
    if (::inet_pton(AF_INET, port.address.c_str(), &address) != 1)
      return bad("ports", fmt::format("'{}' is no IPv4 address", printable(port.address)));
    if (!guests.insert(port.guest_port).second || !hosts.insert(port.host_port).second)
      return bad("ports", fmt::format("{}:{}: one of them is published twice", port.host_port, port.guest_port));
    planned.ports.push_back({port.address, port.host_port, port.guest_port});
  }
  return {};
}

Result<void> plan_directories(const Tsi& tsi, wire::VmTsi& planned) {
  if (tsi.unix_directories.size() > kMostDirectories)
    return bad("directories", fmt::format("{}, and {} are the most", tsi.unix_directories.size(), kMostDirectories));
  for (const std::string& given : tsi.unix_directories) {
    std::error_code error;
    std::string path = std::filesystem::path(given).lexically_normal().string();
    if (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (!path.starts_with('/')) return bad("directories", fmt::format("'{}' is not absolute", printable(given)));
    if (path.find('\0') != std::string::npos) return bad("directories", "one holds a NUL character");
    if (!std::filesystem::is_directory(path, error))
      return bad("directories", fmt::format("'{}' is no directory", printable(given)));
    planned.unix_directories.push_back(std::move(path));
  }
  return {};
}

bool is_loopback(const std::string& server) { return server.starts_with("127.") || server == "::1"; }

// What of this file is for a guest, without servers at the host's loopback; empty: it names no other.
std::string read_resolv_conf(const char* path) {
  auto text = read_text_file(path);
  if (!text) return {};
  std::istringstream lines(*text);
  std::string line, kept;
  bool has_server = false;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word, value;
    words >> word >> value;
    bool is_server = word == "nameserver" && !is_loopback(value);
    if (!is_server && word != "search" && word != "options") continue;
    has_server = has_server || is_server;
    kept += line + "\n";
  }
  return has_server ? kept : std::string();
}

}  // namespace

Result<void> plan_tsi(const Config& config, Plan& plan) {
  if (!config.tsi) return {};
  const Tsi& tsi = *config.tsi;
  wire::VmTsi& planned = plan.vm.tsi;
  if (!config.kernel_image) TRY(check_kernel_knows(plan.vm.kernel_path));
  if (tsi.inet == TsiInet::kOff && tsi.unix_directories.empty())
    return bad("inet", "off, and without a directory no socket is the host's");
  TRY(plan_ports(tsi, planned));
  TRY(plan_directories(tsi, planned));
  if (std::ranges::any_of(plan.vm.vsock_ports, [](const auto& port) { return port.port == kStreamPort; }))
    return bad("vsock ports", fmt::format("{} is TSI's own", kStreamPort));
  planned.is_on = true;
  planned.has_inet = tsi.inet == TsiInet::kOn;
  planned.reaches_loopback = tsi.loopback == TsiLoopback::kAllowed;
  planned.publishes_all = tsi.listeners == TsiListeners::kAll;
  if (!planned.has_inet) return {};
  wire::Impersonation& guest = plan.vm.start.impersonation;
  guest.is_on = true;
  for (const char* path : kResolvConfs)
    if (guest.resolv_conf.empty()) guest.resolv_conf = read_resolv_conf(path);
  return {};
}

}  // namespace cloche
