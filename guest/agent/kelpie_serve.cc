// One connection of kelpie's host, request by request.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "guest/agent/kelpie.h"
#include "guest/agent/kelpie_command.h"
#include "guest/agent/kelpie_reply.h"
#include "guest/agent/kelpie_request.h"
#include "guest/init/paths.h"

namespace cloche::agent {
namespace {

constexpr size_t kReadBytes = 64 << 10;
// The most that fits into a reply in base64, and a byte more, to find out that it does not.
constexpr size_t kMostFile = kMostKelpieReply / 4 * 3;
constexpr mode_t kFileMode = 0644;

std::string failure(std::string_view what, std::string_view path, int sys_errno = errno) {
  return kelpie_error(fmt::format("{} {}: {}", what, path, ::strerror(sys_errno)));
}

// Into `to`, at most `most` bytes more; false where the file or connection ended, or broke, before that.
bool read_more(int fd, std::string& to, size_t most) {
  while (most > 0) {
    size_t old = to.size(), part = std::min(most, kReadBytes);
    to.resize(old + part);
    ssize_t got = ::read(fd, to.data() + old, part);
    to.resize(old + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got == 0) errno = 0;
      return false;
    }
    most -= static_cast<size_t>(got);
  }
  return true;
}

std::string read_file(const std::string& path) {
  // Without waiting for the other end of a FIFO, which is refused next.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) < 0) return failure("open", path);
  if (S_ISDIR(status.st_mode)) return failure("read", path, EISDIR);
  if (!S_ISREG(status.st_mode)) return kelpie_error("read " + path + ": not a regular file");
  std::string contents;
  if (!read_more(file.get(), contents, kMostFile) && errno != 0) return failure("read", path);
  return kelpie_contents(contents);  // Where there is more, it was too much already.
}

// As kelpie's guest does it: what is there is written over and keeps its mode and owner.
std::string write_file(const std::string& path, std::string_view contents, const wire::Exec& defaults) {
  constexpr int kFlags = O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  Fd file(::open(path.c_str(), kFlags));
  bool made = !file && errno == ENOENT;
  if (made) file = Fd(::open(path.c_str(), kFlags | O_CREAT, kFileMode));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) < 0) return failure("write", path);
  if (!S_ISREG(status.st_mode)) return kelpie_error("write " + path + ": not a regular file");
  if (made && ::fchown(file.get(), defaults.uid, defaults.gid) < 0) return failure("set the owner of", path);
  if (::ftruncate(file.get(), 0) < 0) return failure("write", path);
  if (auto written = write_full(file.get(), std::as_bytes(std::span(contents))); !written)
    return failure("write", path, written.error().sys_errno);
  return std::string(kKelpieSuccess);
}

std::string list_directory(const std::string& path) {
  auto close = [](DIR* each) { ::closedir(each); };
  std::unique_ptr<DIR, decltype(close)> directory(::opendir(path.c_str()), close);
  if (!directory) return failure("list", path);
  std::vector<std::string> names;
  for (size_t bytes = 0; bytes <= kMostKelpieReply;) {  // More makes no reply.
    errno = 0;
    dirent* entry = ::readdir(directory.get());
    if (entry == nullptr && errno != 0) return failure("list", path);
    if (entry == nullptr) break;
    std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    names.emplace_back(name);
    bytes += name.size();
  }
  std::ranges::sort(names);
  return kelpie_listing(names);
}

// The values that come last win, as with execve()'s users.
void add_variables(std::vector<std::string>& environment, const std::vector<std::string>& more) {
  for (const std::string& each : more) {
    std::string_view name = std::string_view(each).substr(0, each.find('=') + 1);
    std::erase_if(environment, [&](const std::string& old) { return old.starts_with(name); });
    environment.push_back(each);
  }
}

wire::Exec to_exec(const KelpieRequest& request, const wire::Exec& defaults) {
  wire::Exec exec = defaults;
  exec.arguments = {request.command};
  exec.arguments.insert(exec.arguments.end(), request.arguments.begin(), request.arguments.end());
  add_variables(exec.environment, request.environment);
  if (request.working_directory) exec.working_directory = *request.working_directory;
  exec.streams = wire::Streams::kPipes;
  exec.has_input = request.input.has_value();
  exec.timeout_ms = wire::Exec::kNoTimeout;
  exec.grace_ms = 0;
  if (request.timeout_ms)
    exec.timeout_ms = static_cast<uint32_t>(std::clamp<uint64_t>(*request.timeout_ms, 1, UINT32_MAX));
  return exec;
}

Result<std::string> run_command(int client, const KelpieRequest& request, const KelpieService& service) {
  wire::Exec exec = to_exec(request, service.defaults);
  // Kelpie's host names /workspace whether a root file system has it or not.
  if (request.working_directory) TRY(init::make_place(exec.working_directory, init::Place::kDirectory));
  KelpieOutcome outcome = TRY(run_for_kelpie(client, exec, request.input.value_or(""), service.groups));
  int sys_errno = static_cast<int>(outcome.ended.value & 0xfff);
  switch (outcome.ended.kind) {
    case wire::ExitKind::kExited:
    case wire::ExitKind::kSignaled:
      return kelpie_outcome(outcome);
    case wire::ExitKind::kNotFound:
      return failure("run", request.command, ENOENT);
    default:
      return failure("run " + request.command + ":", outcome.ended.what, sys_errno);
  }
}

class Connection {
 public:
  Connection(int fd, const KelpieService& service) : fd_(fd), service_(service) {}

  // False when there is no more to serve.
  bool serve_next() {
    std::string length;
    if (!read_more(fd_, length, sizeof(uint32_t))) return false;
    uint32_t size = 0;
    for (char byte : length) size = size << 8 | static_cast<uint8_t>(byte);
    if (size > kMostKelpieRequest)
      return pass_over(size) && send(kelpie_error(fmt::format("a request of {} bytes, over the {} that are accepted",
                                                              size, kMostKelpieRequest)));
    std::string text;
    if (!read_more(fd_, text, size)) return false;
    auto request = parse_kelpie_request(text);
    if (!request) return send(kelpie_error(request.error()));
    text = {};  // Output may need the room.
    return obey(*request);
  }

 private:
  bool pass_over(size_t size) {
    std::string part;
    for (; size > 0; size -= part.size()) {
      part.clear();
      if (!read_more(fd_, part, std::min(size, kReadBytes))) return false;
    }
    return true;
  }
  bool send(std::string_view reply) {
    auto size = static_cast<uint32_t>(reply.size());
    std::array<std::byte, 4> length;
    for (size_t at = 0; at < length.size(); ++at) length[at] = static_cast<std::byte>(size >> (24 - 8 * at));
    return write_full(fd_, length).has_value() && write_full(fd_, std::as_bytes(std::span(reply))).has_value();
  }
  std::string place(const std::string& path) const {
    return path.starts_with('/') ? path : service_.defaults.working_directory + "/" + path;
  }
  bool obey(const KelpieRequest& request) {
    switch (request.act) {
      case KelpieAct::kPing:
        return send(kKelpiePong);
      case KelpieAct::kExec: {
        auto reply = run_command(fd_, request, service_);
        return send(reply ? *reply : kelpie_error(reply.error().message()));
      }
      case KelpieAct::kReadFile:
        return send(read_file(place(request.path)));
      case KelpieAct::kWriteFile:
        return send(write_file(place(request.path), request.contents, service_.defaults));
      case KelpieAct::kListDirectory:
        return send(list_directory(place(request.path)));
      case KelpieAct::kShutDown: {
        bool sent = send(kKelpieSuccess);
        service_.shut_down();
        return sent;
      }
    }
    return false;
  }

  int fd_;
  const KelpieService& service_;
};

}  // namespace

void serve_kelpie(Fd connection, const KelpieService& service) {
  Connection served(connection.get(), service);
  while (served.serve_next()) {
  }
}

}  // namespace cloche::agent
