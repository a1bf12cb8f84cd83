#include "cloche/files.h"

#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/sandbox_place.h"
#include "sandbox/file_requests.h"

namespace cloche {
namespace {

using sandbox::Clock;
using sandbox::Conversation;

// A NUL would cut the path short on its way through the guest's system calls.
Result<void> check_path(const std::string& path) {
  if (path.find('\0') != std::string::npos)
    return fail(ErrorCode::kInvalidArgument, "path of the guest: holds a NUL character");
  if (path.starts_with('/')) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("path of the guest '{}': must be absolute", path));
}

// `act` with a conversation that lasts to `limit`, a deadline or a patience; its error names the sandbox.
template <typename Limit, typename Act>
auto ask(const Sandbox& sandbox, const std::string& path, Limit limit, Act act)
    -> decltype(act(std::declval<Conversation&>(), std::declval<const SandboxInfo&>())) {
  TRY(check_path(path));
  SandboxPlace place = TRY(SandboxPlace::of(sandbox));
  return place.about({}, [&]() -> decltype(act(std::declval<Conversation&>(), place.info)) {
    auto guest = TRY(Conversation::open(place.run_directory(), limit));
    return act(guest, place.info);
  });
}

wire::WriteFile request(const std::string& path, const FileWrite& how, const SandboxInfo& info) {
  const User& user = how.owner ? *how.owner : info.config.vm.user;
  return {.path = path,
          .write = static_cast<wire::WriteMode>(how.mode),
          .mode = how.permissions,
          .uid = user.uid,
          .gid = user.gid.value_or(user.uid)};
}

static_assert(static_cast<int>(FileWriteMode::kReplace) == static_cast<int>(wire::WriteMode::kReplace) &&
              static_cast<int>(FileWriteMode::kAppend) == static_cast<int>(wire::WriteMode::kAppend) &&
              static_cast<int>(FileWriteMode::kCreate) == static_cast<int>(wire::WriteMode::kCreate));

FileKind kind_of(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileKind::kFile;
    case S_IFDIR:
      return FileKind::kDirectory;
    case S_IFLNK:
      return FileKind::kSymbolicLink;
    case S_IFIFO:
      return FileKind::kFifo;
    case S_IFSOCK:
      return FileKind::kSocket;
    case S_IFCHR:
      return FileKind::kCharacterDevice;
    case S_IFBLK:
      return FileKind::kBlockDevice;
    default:
      return FileKind::kUnknown;
  }
}

FileStatus status_of(wire::FileStatus&& told) {
  return {.name = std::move(told.name),
          .kind = kind_of(told.mode),
          .permissions = told.mode & 07777,
          .uid = told.uid,
          .gid = told.gid,
          .size = told.size,
          .links = told.links,
          .inode = told.inode,
          .modified_ns = told.modified_ns,
          .target = std::move(told.target)};
}

Result<void> put(int fd, std::span<const std::byte> bytes, std::chrono::milliseconds patience) {
  while (!bytes.empty()) {
    if (!TRY(sandbox::wait_for(fd, POLLOUT, Clock::now() + patience)))
      return fail(ErrorCode::kTimeout, "nobody reads the stream");
    // A pipe that is ready takes so much without blocking.
    ssize_t done = ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
    if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (done < 0) return fail_errno("write the stream");
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return {};
}

}  // namespace

Result<std::string> Files::read(const std::string& path, uint64_t most, Deadline deadline) const {
  return ask(sandbox_, path, Clock::now() + deadline,
             [&](Conversation& guest, const SandboxInfo&) -> Result<std::string> {
               std::string text;
               uint64_t wanted = most == UINT64_MAX ? most : most + 1;
               TRY(sandbox::read_file(guest, {path, 0, wanted}, [&](std::span<const std::byte> bytes) -> Result<void> {
                 text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                 if (text.size() <= most) return {};
                 return fail(ErrorCode::kGuest, fmt::format("read {}: it holds more than {} bytes", path, most), EFBIG);
               }));
               return text;
             });
}

Result<uint64_t> Files::read(const std::string& path, FileRange range, const Taker& taker, Deadline patience) const {
  return ask(sandbox_, path, patience, [&](Conversation& guest, const SandboxInfo&) {
    return sandbox::read_file(guest, {path, range.offset, range.size}, taker);
  });
}

Result<uint64_t> Files::read_to(int fd, const std::string& path, FileRange range, Deadline patience) const {
  return read(path, range, [&](std::span<const std::byte> bytes) { return put(fd, bytes, patience); }, patience);
}

Result<void> Files::write(const std::string& path, std::string_view contents, const FileWrite& how,
                          Deadline deadline) const {
  auto rest = std::as_bytes(std::span(contents));
  return ask(sandbox_, path, Clock::now() + deadline, [&](Conversation& guest, const SandboxInfo& info) {
    return sandbox::write_file(guest, request(path, how, info),
                               [&]() -> Result<std::span<const std::byte>> { return std::exchange(rest, {}); });
  });
}

Result<void> Files::write(const std::string& path, const Giver& giver, const FileWrite& how, Deadline patience) const {
  return ask(sandbox_, path, patience, [&](Conversation& guest, const SandboxInfo& info) {
    return sandbox::write_file(guest, request(path, how, info), giver);
  });
}

Result<void> Files::write_from(int fd, const std::string& path, const FileWrite& how, Deadline patience) const {
  std::vector<std::byte> buffer(wire::kMaxDataBytes);
  auto give = [&]() -> Result<std::span<const std::byte>> {
    for (;;) {
      if (!TRY(sandbox::wait_for(fd, POLLIN, Clock::now() + patience)))
        return fail(ErrorCode::kTimeout, "no more comes of the stream");
      ssize_t got = ::read(fd, buffer.data(), buffer.size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got < 0) return fail_errno("read the stream");
      return std::span<const std::byte>(buffer).first(static_cast<size_t>(got));
    }
  };
  return write(path, give, how, patience);
}

Result<FileStatus> Files::status(const std::string& path, Deadline deadline) const {
  return ask(sandbox_, path, Clock::now() + deadline,
             [&](Conversation& guest, const SandboxInfo&) -> Result<FileStatus> {
               FileStatus status = status_of(TRY(sandbox::file_status(guest, path)));
               status.name = path;
               return status;
             });
}

Result<std::vector<FileStatus>> Files::list(const std::string& path, Deadline deadline) const {
  using List = std::vector<FileStatus>;
  return ask(sandbox_, path, Clock::now() + deadline, [&](Conversation& guest, const SandboxInfo&) -> Result<List> {
    List list;
    for (wire::FileStatus& each : TRY(sandbox::list_directory(guest, path))) list.push_back(status_of(std::move(each)));
    return list;
  });
}

Result<void> Files::make_directory(const std::string& path, uint32_t permissions, MissingParents parents,
                                   Deadline deadline) const {
  wire::MakeDirectory wanted{.path = path, .mode = permissions, .parents = parents == MissingParents::kMade};
  return ask(sandbox_, path, Clock::now() + deadline, [&](Conversation& guest, const SandboxInfo&) -> Result<void> {
    TRY(guest.send(wire::encode(wire::AgentFrame::kMakeDirectory, wanted)));
    return guest.take_done();
  });
}

Result<void> Files::move(const std::string& from, const std::string& to, Deadline deadline) const {
  TRY(check_path(to));
  return ask(sandbox_, from, Clock::now() + deadline, [&](Conversation& guest, const SandboxInfo&) -> Result<void> {
    TRY(guest.send(wire::encode(wire::AgentFrame::kMove, wire::Move{from, to})));
    return guest.take_done();
  });
}

Result<void> Files::remove(const std::string& path, Removal removal, Deadline deadline) const {
  wire::Remove wanted{.path = path, .recursive = removal == Removal::kTree};
  return ask(sandbox_, path, Clock::now() + deadline, [&](Conversation& guest, const SandboxInfo&) -> Result<void> {
    TRY(guest.send(wire::encode(wire::AgentFrame::kRemove, wanted)));
    return guest.take_done();
  });
}

}  // namespace cloche
