// A cloche-vmm for tests: takes its configuration as the real one does, then does what the "command" in it says.
#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fd.h"
#include "wire/vmm.h"

namespace cloche {
namespace {

constexpr int kSocket = 3;

struct Frame {
  wire::VmmFrame type{};
  std::vector<std::byte> payload;
};

Frame read_frame() {
  Frame frame;
  std::array<std::byte, wire::FrameHeader::kSize> raw;
  wire::FrameHeader header;
  if (read_full(kSocket, raw).value_or(0) < raw.size() || !wire::decode_header(raw, header)) ::_exit(90);
  frame.type = static_cast<wire::VmmFrame>(header.type);
  frame.payload.resize(header.payload_size);
  if (read_full(kSocket, frame.payload).value_or(0) < frame.payload.size()) ::_exit(91);
  return frame;
}

void send(const std::vector<std::byte>& frame) { static_cast<void>(write_full(kSocket, frame)); }

void say(const std::string& text) { static_cast<void>(write_full(STDOUT_FILENO, std::as_bytes(std::span(text)))); }

[[noreturn]] void end(const wire::Ended& ended) {
  send(wire::encode(ended));
  ::_exit(0);
}

[[noreturn]] void report(wire::ExitKind kind, uint32_t value, const std::string& what = "") {
  wire::Ended ended;
  ended.kind = wire::VmEnd::kReported;
  ended.exited = {.kind = kind, .value = value, .what = what};
  ended.phases = {{"first phase", false, 1000, 2000}, {"in the guest", true, 2000, 3000}};
  end(ended);
}

[[noreturn]] void lose(uint32_t kind) {
  wire::Ended ended;
  ended.kind = static_cast<wire::VmEnd>(kind);
  ended.detail = "detail \x1b[31m";
  ended.console_tail = "last line\nand \x1b one more\n";
  ended.guest_faults = 3;
  end(ended);
}

void list_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  std::string list;
  while (dirent* entry = ::readdir(directory))
    if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::dirfd(directory))
      list += std::string(entry->d_name) + " ";
  ::closedir(directory);
  say(list);
}

[[noreturn]] void copy_input() {
  std::array<std::byte, 65536> buffer;
  ssize_t got;
  while ((got = ::read(STDIN_FILENO, buffer.data(), buffer.size())) > 0)
    static_cast<void>(write_full(STDOUT_FILENO, std::span(buffer).first(static_cast<size_t>(got))));
  report(wire::ExitKind::kExited, 0);
}

// Says what it is commanded, until it is told to stop, or signalled to.
[[noreturn]] void obey() {
  say("ready\n");
  for (;;) {
    Frame frame = read_frame();
    if (frame.type == wire::VmmFrame::kStop) lose(static_cast<uint32_t>(wire::VmEnd::kStopped));
    if (frame.type == wire::VmmFrame::kPause) {
      say("pause\n");
      send(wire::encode_answer(wire::VmmFrame::kPaused, ""));
    }
    if (frame.type == wire::VmmFrame::kResume) {
      say("resume\n");
      send(wire::encode_answer(wire::VmmFrame::kResumed, "no \x1b way"));
    }
    uint32_t number = 0;
    uint16_t rows = 0, columns = 0;
    if (frame.type == wire::VmmFrame::kSignal && wire::decode_signal(frame.payload, number)) {
      say("signal " + std::to_string(number) + "\n");
      if (number == SIGUSR1) report(wire::ExitKind::kSignaled, number);
    }
    if (frame.type == wire::VmmFrame::kResize && wire::decode_resize(frame.payload, rows, columns))
      say("size " + std::to_string(rows) + "x" + std::to_string(columns) + "\n");
  }
}

[[noreturn]] void run(const wire::VmConfig& config) {
  const std::vector<std::string>& arguments = config.start.arguments;
  const std::string& act = arguments[0];
  auto number = static_cast<uint32_t>(arguments.size() > 1 ? std::atoi(arguments[1].c_str()) : 0);
  if (act == "exit") report(wire::ExitKind::kExited, number);
  if (act == "signaled") report(wire::ExitKind::kSignaled, number);
  if (act == "not-found") report(wire::ExitKind::kNotFound, 2, "nosuch\x1b]0;");
  if (act == "not-runnable") report(wire::ExitKind::kNotRunnable, 13, "/etc");
  if (act == "setup") report(wire::ExitKind::kFailed, 5, "mount share /data");
  if (act == "lose") lose(number);
  if (act == "cat") copy_input();
  if (act == "obey") obey();
  if (act == "fds") list_descriptors();
  if (act == "environment") say("HOME" + std::string(std::getenv("HOME") == nullptr ? " is unset" : " is set"));
  if (act == "show")
    say(config.start.working_directory + " " + config.start.hostname + " " + std::to_string(config.memory_mib));
  if (act == "fail")
    send(wire::encode(wire::Failed{static_cast<uint8_t>(ErrorCode::kUnavailable), 2, "open /dev/kvm"}));
  if (act == "log") send(wire::encode_log(1, "a warning \x1b[2J"));
  if (act == "die") {
    rlimit none{};
    ::setrlimit(RLIMIT_CORE, &none);
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_UNBLOCK, &all, nullptr);
    ::kill(::getpid(), static_cast<int>(number));
  }
  if (act == "garbage") send(std::vector<std::byte>(64, std::byte{0xee}));
  if (act == "wrong-frame") send(wire::encode_frame(wire::VmmFrame::kConfig));
  if (act == "huge") {  // Says that 15 MiB follow.
    wire::Writer header;
    header.put(uint32_t{15 << 20});
    header.put(wire::VmmFrame::kLog);
    header.put(uint16_t{0});
    send(header.bytes());
  }
  if (act == "hang" || act == "huge" || act == "wrong-frame" || act == "garbage") ::sleep(3600);
  if (act == "linger") {  // Reports, and stays.
    wire::Ended ended;
    ended.kind = wire::VmEnd::kReported;
    send(wire::encode(ended));
    ::sleep(3600);
  }
  if (act == "fds" || act == "environment" || act == "show" || act == "log") report(wire::ExitKind::kExited, 0);
  ::_exit(static_cast<int>(number));
}

}  // namespace
}  // namespace cloche

int main() {
  cloche::Frame frame = cloche::read_frame();
  cloche::wire::VmConfig config;
  if (frame.type != cloche::wire::VmmFrame::kConfig || !cloche::wire::decode(frame.payload, config)) return 92;
  cloche::send(cloche::wire::encode_frame(cloche::wire::VmmFrame::kStarted));
  cloche::run(config);
}
