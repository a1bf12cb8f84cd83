#include "vmm/open_network.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/private_files.h"
#include "devices/net/datagram.h"
#include "devices/net/stream.h"
#include "devices/net/tap.h"

namespace cloche {
namespace {

using wire::VmNetworkKind;

template <typename T>
std::unique_ptr<net::BackEnd> boxed(T back_end) {
  return std::make_unique<T>(std::move(back_end));
}

// The descriptor that we were started with, closed when we execute something.
Result<Fd> inherited(int number) {
  Fd fd(number);
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0) return fail_errno("use its descriptor");
  return fd;
}

Result<Fd> inherited_socket(int number, int type) {
  Fd fd = TRY(inherited(number));
  int actual = 0;
  socklen_t size = sizeof actual;
  if (::getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &actual, &size) < 0) return fail_errno("look at its descriptor");
  if (actual != type)
    return fail(ErrorCode::kInvalidArgument,
                type == SOCK_STREAM ? "its descriptor is no stream socket" : "its descriptor is no datagram socket");
  return fd;
}

// The peer answers to this.
Result<std::string> own_path(size_t index) {
  std::string path = fmt::format("{}/net-{}-{}.sock", TRY(runtime_directory()), ::getpid(), index);
  ::unlink(path.c_str());  // Of one that was killed.
  return path;
}

Result<std::unique_ptr<net::BackEnd>> open_stream(const wire::VmNetwork& network) {
  if (network.fd >= 0) return boxed(net::Stream(TRY(inherited_socket(network.fd, SOCK_STREAM))));
  return boxed(TRY(net::Stream::connect(network.path)));
}

Result<std::unique_ptr<net::BackEnd>> open_datagram(const wire::VmNetwork& network, const std::string& own) {
  auto greeting = network.greets ? net::Greeting::kVfkit : net::Greeting::kNone;
  if (network.fd < 0) return boxed(TRY(net::Datagram::connect(network.path, own, greeting)));
  Fd fd = TRY(inherited_socket(network.fd, SOCK_DGRAM));
  if (network.greets) TRY(net::Datagram::greet(fd.get()));
  net::grow_buffers(fd.get());
  return boxed(net::Datagram(std::move(fd)));
}

Result<std::unique_ptr<net::BackEnd>> open_tap(const wire::VmNetwork& network) {
  if (network.fd >= 0) {
    Fd fd = TRY(inherited(network.fd));
    return boxed(TRY(net::Tap::adopt(std::move(fd))));
  }
  return boxed(TRY(net::Tap::open(network.path)));
}

Result<MachineNetwork> open_network(const wire::VmConfig& config, size_t index, Companions& companions) {
  const wire::VmNetwork& network = config.networks[index];
  MachineNetwork opened{.options = {.mac = network.mac, .offloads = network.offloads, .mtu = network.mtu, .check = {}},
                        .back_end = {}};
  switch (network.kind) {
    case VmNetworkKind::kPasst: {
      auto [process, socket] = TRY(Passt::start(network.path, network.arguments));
      opened.options.check = [passt = companions.add(std::move(process))] { return passt->check(); };
      opened.back_end = boxed(net::Stream(std::move(socket)));
      break;
    }
    case VmNetworkKind::kStream:
      opened.back_end = TRY(open_stream(network));
      break;
    case VmNetworkKind::kDatagram: {
      std::string own = network.fd < 0 ? TRY(own_path(index)) : "";
      if (!own.empty()) companions.add(own);
      opened.back_end = TRY(open_datagram(network, own));
      break;
    }
    case VmNetworkKind::kTap:
      opened.back_end = TRY(open_tap(network));
      break;
  }
  return opened;
}

}  // namespace

std::shared_ptr<Passt> Companions::add(Passt process) {
  processes_.push_back(std::make_shared<Passt>(std::move(process)));
  return processes_.back();
}

// The VM, which may go on to use what is in here, has ended: what it still has of a process is of no use any more.
void Companions::end() {
  for (auto& process : processes_) process->end();
  processes_.clear();
  for (const std::string& path : paths_) ::unlink(path.c_str());
  paths_.clear();
}

Result<std::vector<MachineNetwork>> open_networks(const wire::VmConfig& config, Companions& companions) {
  std::vector<MachineNetwork> networks;
  for (size_t index = 0; index < config.networks.size(); ++index) {
    auto network = open_network(config, index, companions);
    if (!network) return std::unexpected(std::move(network).error().in(fmt::format("network {}", index)));
    networks.push_back(std::move(*network));
  }
  return networks;
}

}  // namespace cloche
