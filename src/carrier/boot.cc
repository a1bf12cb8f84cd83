#include "carrier/boot.h"
#include "base/private_files.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iterator>

#include "boot/initramfs.h"
#include "carrier/qemu.h"

namespace cloche::carrier {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMaxAgent = 64 << 20;
constexpr int kPoll_ms = 20;
constexpr auto kBootDeadline = seconds(300);  // Two seconds on an idle host; a test machine may be very busy.
constexpr auto kFirstNews = seconds(1);
constexpr auto kNewsInterval = seconds(15);
constexpr int kPortTries = 5;

void sleep_ms(int ms) { ::usleep(static_cast<useconds_t>(ms) * 1000); }

std::unexpected<Error> did_not_come_up(const StateDirectory& state, ErrorCode code, std::string_view what) {
  return fail(code, fmt::format("start the emulated computer: {}{}", what, state.last_words()));
}

Result<void> wait_for_agent(const Options& options, const StateDirectory& state) {
  auto began = Clock::now();
  auto news = began + kFirstNews;
  while (!state.ready()) {
    if (!state.alive()) return did_not_come_up(state, ErrorCode::kHost, "it ended at once");
    auto now = Clock::now();
    if (now - began > kBootDeadline) {
      (void)kill_machine(state);
      return did_not_come_up(
          state, ErrorCode::kTimeout,
          fmt::format("it did not answer within {} s", std::chrono::duration_cast<seconds>(kBootDeadline).count()));
    }
    if (now > news) {
      options.progress("starting an emulated computer, once; commands run in it from now on");
      news = now + kNewsInterval;
    }
    sleep_ms(kPoll_ms);
  }
  return {};
}

Result<QemuConfig> configure(const Options& options, const StateDirectory& state) {
  for (const std::string& file : {options.kernel_path, options.init_path})
    if (::access(file.c_str(), R_OK) < 0)
      return fail(ErrorCode::kUnavailable, fmt::format("start the emulated computer: {} is not installed", file),
                  errno);
  char name[65] = {};
  (void)::gethostname(name, sizeof name - 1);
  std::string hostname(name);
  if (hostname.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
      std::string::npos)
    hostname.clear();
  struct stat usr{};
  return QemuConfig{.kind = options.kind,
                    .memory_mib = TRY(memory_for_host()),
                    .idle_stop_s = TRY(idle_stop_s(options.kind)),
                    .kernel_path = std::filesystem::absolute(options.kernel_path),
                    .initramfs_path = state.path("initramfs"),
                    .token_path = state.path("token"),
                    .console_path = state.path("console.log"),
                    .share_cached_usr = ::stat("/usr", &usr) == 0 && S_ISDIR(usr.st_mode),
                    .as_root = ::geteuid() == 0,
                    .hostname = std::move(hostname)};
}

}  // namespace

std::vector<std::byte> make_initramfs(std::span<const std::byte> agent) {
  boot::Initramfs archive;
  archive.add_directory("dev");
  archive.add_device("dev/console", 0600, 5, 1);
  archive.add_file("init", agent, 0755);
  return archive.finish();
}

Result<void> boot_machine(const Options& options, const StateDirectory& state) {
  std::string qemu = TRY(find_qemu());
  QemuConfig config = TRY(configure(options, state));
  std::string agent = TRY(read_text_file(options.init_path, kMaxAgent));
  TRY(write_private_file(config.initramfs_path, make_initramfs(std::as_bytes(std::span(agent)))));
  TRY(state.make_token());
  for (int i = 1;; ++i) {
    config.port = TRY(free_port());
    Fd life = TRY(state.take_life());
    TRY(launch_qemu(qemu, config, state, std::move(life)));
    auto up = wait_for_agent(options, state);
    // Between choosing a port and QEMU's taking it somebody else may have taken it.
    bool port_taken = !up && up.error().what.find("host forwarding rule") != std::string::npos;
    if (!port_taken || i == kPortTries) return up;
  }
}

bool wait_for_end(const StateDirectory& state, int timeout_ms) {
  for (int waited = 0; state.alive(); waited += kPoll_ms) {
    if (waited >= timeout_ms) return false;
    sleep_ms(kPoll_ms);
  }
  return true;
}

Result<void> kill_machine(const StateDirectory& state) {
  constexpr int kTermGrace_ms = 3000, kKillGrace_ms = 10'000;
  auto record = state.record();
  if (!state.alive()) return {};
  if (!record)
    return fail(ErrorCode::kHost,
                state.path("record") + " is damaged: end the QEMU process named cloche-machine by hand");
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, record->pid, 0)));
  // While the lock is held the process that wrote the record lives, so the descriptor is that process and no later one.
  if (!process || !state.alive()) return {};
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGTERM, nullptr, 0);
  if (wait_for_end(state, kTermGrace_ms)) return {};
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  if (wait_for_end(state, kKillGrace_ms)) return {};
  return fail(ErrorCode::kTimeout, fmt::format("QEMU (process {}) does not end", record->pid));
}

}  // namespace cloche::carrier
