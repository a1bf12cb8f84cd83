#include "vmm/open_tsi.h"

#include <arpa/inet.h>
#include <fcntl.h>

#include "base/printable.h"

namespace cloche {

Result<std::optional<vsock::TsiOptions>> open_tsi(const wire::VmTsi& tsi) {
  if (!tsi.is_on) return std::nullopt;
  vsock::TsiOptions options{.has_inet = tsi.has_inet,
                            .reaches_loopback = tsi.reaches_loopback,
                            .publishes_all = tsi.publishes_all,
                            .ports = {},
                            .directories = {}};
  for (const wire::VmTsiPort& port : tsi.ports) {
    vsock::TsiPort opened{.host_port = port.host_port, .guest_port = port.guest_port};
    if (::inet_pton(AF_INET, port.address.c_str(), &opened.address) != 1)
      return fail(ErrorCode::kInvalidArgument, "'" + printable(port.address) + "' is no IPv4 address");
    options.ports.push_back(opened);
  }
  for (const std::string& path : tsi.unix_directories)
    options.directories.push_back({path, TRY(open_file(path, O_PATH | O_DIRECTORY))});
  return options;
}

}  // namespace cloche
