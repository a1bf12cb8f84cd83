// Trees into a sandbox and out of it, as tar streams between us and the guest's agent.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cloche/sandbox.h"
#include "sandbox/conversation.h"
#include "sandbox/home.h"
#include "tar/pack.h"
#include "tar/unpacker.h"

namespace cloche {
namespace {

using sandbox::Clock;
using sandbox::Conversation;
using wire::AgentFrame;

// A path of the host or the guest, as a directory and what is called how in it.
struct Place {
  std::string directory;
  std::string name;
};

// "a/b" is b in a; of "a/." and "/" the name is ".".
Place split(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  size_t slash = path.rfind('/');
  Place place{slash == std::string::npos ? "." : path.substr(0, std::max<size_t>(slash, 1)), path.substr(slash + 1)};
  if (place.name == "..") return {path, "."};
  if (place.name.empty()) place.name = ".";
  return place;
}

// Where `source` comes to lie: in `destination` under its own name where that is a directory, else as it.
Result<Place> landing(const std::string& source, const std::string& destination, bool is_directory) {
  std::string name = split(source).name;
  if (is_directory && name != ".") return Place{destination, name};
  Place place = split(destination);
  if (place.name != ".") return place;
  // "." and "/" have no name by which what lies in them could be replaced.
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("copy to {}: name the directory that it is to become", destination));
}

wire::Unpack unpacking(Place place, const SandboxInfo& info, CopyOwners owners) {
  const User& user = info.config.vm.user;
  return {.directory = std::move(place.directory),
          .name = std::move(place.name),
          .keep_owners = owners == CopyOwners::kKept,
          .uid = user.uid,
          .gid = user.gid.value_or(user.uid)};
}

Result<void> write_within(int fd, std::span<const std::byte> bytes, std::chrono::milliseconds patience) {
  while (!bytes.empty()) {
    if (!TRY(sandbox::wait_for(fd, POLLOUT, Clock::now() + patience)))
      return fail(ErrorCode::kTimeout, "nobody reads the stream");
    ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (put < 0) return fail_errno("write the stream");
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return {};
}

}  // namespace

Result<void> Sandbox::copy_in(const std::string& host_path, const std::string& guest_path, CopyOwners owners,
                              Deadline patience) const {
  auto home = TRY(sandbox::Home::open(home_));
  SandboxInfo info = TRY(home.info(id_));
  auto copied = [&]() -> Result<void> {
    Place source = split(host_path);
    Fd directory = TRY(open_file(source.directory, O_PATH | O_DIRECTORY));
    struct stat status{};
    if (::fstatat(directory.get(), source.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno(host_path);
    auto guest = TRY(Conversation::open(home.run_directory(id_), patience));
    bool is_directory = TRY(guest.is_directory(guest_path));
    Place place = TRY(landing(host_path, guest_path, is_directory));
    TRY(guest.send(wire::encode(AgentFrame::kUnpack, unpacking(place, info, owners))));
    auto packed = tar::pack(directory.get(), source.name,
                            [&](std::span<const std::byte> bytes) { return guest.send_data(bytes); });
    if (!packed) return std::unexpected(std::move(packed).error());
    TRY(guest.send_data({}));
    TRY(guest.take_done());
    if (packed->changed == 0) return {};
    return fail(ErrorCode::kHost, fmt::format("{} files changed while they were read, {} among them", packed->changed,
                                              packed->first_changed));
  };
  auto result = copied();
  if (!result)
    return std::unexpected(std::move(result).error().in(fmt::format("copy {} into {}", host_path, info.name)));
  return {};
}

Result<void> Sandbox::copy_out(const std::string& guest_path, const std::string& host_path, CopyOwners owners,
                               Deadline patience) const {
  auto home = TRY(sandbox::Home::open(home_));
  SandboxInfo info = TRY(home.info(id_));
  auto copied = [&]() -> Result<void> {
    struct stat status{};
    bool is_directory = ::stat(host_path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    Place place = TRY(landing(guest_path, host_path, is_directory));
    Fd directory = TRY(open_file(place.directory, O_RDONLY | O_DIRECTORY));
    auto guest = TRY(Conversation::open(home.run_directory(id_), patience));
    TRY(guest.send(wire::encode(AgentFrame::kPack, wire::Pack{.path = guest_path})));
    auto kept = owners == CopyOwners::kKept ? tar::Owners::kKept : tar::Owners::kCaller;
    tar::Unpacker unpacker(std::move(directory), {.name = place.name, .owners = kept});
    TRY(guest.take_data([&](std::span<const std::byte> bytes) { return unpacker.write(bytes); }));
    TRY(unpacker.finish());
    return guest.take_done();
  };
  auto result = copied();
  if (!result)
    return std::unexpected(std::move(result).error().in(fmt::format("copy {} out of {}", guest_path, info.name)));
  return {};
}

Result<void> Sandbox::unpack(int fd, const std::string& guest_directory, CopyOwners owners, Deadline patience) const {
  auto home = TRY(sandbox::Home::open(home_));
  SandboxInfo info = TRY(home.info(id_));
  auto guest = TRY(Conversation::open(home.run_directory(id_), patience));
  TRY(guest.send(wire::encode(AgentFrame::kUnpack, unpacking({guest_directory, ""}, info, owners))));
  std::array<std::byte, tar::kMostPieceBytes> buffer;
  for (;;) {
    if (!TRY(sandbox::wait_for(fd, POLLIN, Clock::now() + patience)))
      return fail(ErrorCode::kTimeout, "no more comes of the stream");
    ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) return fail_errno("read the stream");
    TRY(guest.send_data(std::span(buffer).first(static_cast<size_t>(got))));
    if (got == 0) return guest.take_done();
  }
}

Result<void> Sandbox::pack(const std::string& guest_path, int fd, Deadline patience) const {
  auto home = TRY(sandbox::Home::open(home_));
  auto guest = TRY(Conversation::open(home.run_directory(id_), patience));
  TRY(guest.send(wire::encode(AgentFrame::kPack, wire::Pack{.path = guest_path})));
  TRY(guest.take_data([&](std::span<const std::byte> bytes) { return write_within(fd, bytes, patience); }));
  return guest.take_done();
}

}  // namespace cloche
