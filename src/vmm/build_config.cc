#include "vmm/build_config.h"

#include <fcntl.h>
#include <unistd.h>

#include "machine/host_root.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRootTag = "root";
// Nobody is expected to change a root file system under a running guest; shares are looked at anew each second.
constexpr auto kRootTimeout = 24h;

Result<fs::Node> open_share(const wire::VmShare& share) {
  Fd fd = TRY(open_file(share.host_path, O_PATH));
  if (!share.is_file) return fs::Node::host(std::move(fd));
  std::vector<std::pair<std::string, fs::Node>> only;
  only.emplace_back(wire::kSingleFileName, fs::Node::host(std::move(fd)));
  return fs::Node::directory(std::move(only));
}

Result<MachineShare> open_root(const wire::VmConfig& config) {
  fs::Options options{
      .tag = kRootTag, .read_only = true, .cache = fs::Cache::kAlways};
  if (config.root == wire::RootKind::kHost) return MachineShare{std::move(options), TRY(make_host_root())};
  Fd directory = TRY(open_file(config.root_path, O_PATH | O_DIRECTORY));
  return MachineShare{std::move(options), fs::Node::host(std::move(directory))};
}

}  // namespace

Result<MachineConfig> build_config(wire::VmConfig config, Log log) {
  MachineConfig machine;
  machine.cpus = config.cpus;
  machine.memory_mib = config.memory_mib;
  machine.kernel_path = std::move(config.kernel_path);
  machine.init_path = std::move(config.init_path);
  machine.bundle_reader_path = std::move(config.bundle_reader_path);
  machine.extra_command_line = std::move(config.extra_command_line);
  machine.shares.push_back(TRY(open_root(config)));
  for (const wire::VmShare& share : config.shares) {
    fs::Options options{.tag = share.tag, .read_only = share.read_only};
    machine.shares.push_back({std::move(options), TRY(open_share(share))});
  }
  if (!config.console_path.empty())
    machine.console = TRY(open_file(config.console_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0644));
  machine.start = std::move(config.start);
  machine.start.root_tag = kRootTag;
  machine.start.has_stdin = config.has_input;
  if (config.has_input) machine.input = Fd(STDIN_FILENO);
  machine.output = Fd(STDOUT_FILENO);
  machine.error = Fd(STDERR_FILENO);
  if (config.timeout_ms != 0) machine.timeout = std::chrono::milliseconds(config.timeout_ms);
  machine.log = std::move(log);
  return machine;
}

}  // namespace cloche
