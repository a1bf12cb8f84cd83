// Files: the files of a running sandbox, one at a time. For whole trees there is Sandbox::copy_in() and copy_out().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloche/config.h"
#include "cloche/result.h"
#include "cloche/sandbox.h"

namespace cloche {

enum class FileKind : uint8_t {
  kFile,
  kDirectory,
  kSymbolicLink,
  kFifo,
  kSocket,
  kCharacterDevice,
  kBlockDevice,
  kUnknown
};

// What the guest says of a file. Names and link targets are bytes of the guest's choice: not made fit for a terminal.
struct FileStatus {
  std::string name{};  // In a list: the entry's, without a slash. Else the path that was asked for.
  FileKind kind = FileKind::kUnknown;
  uint32_t permissions = 0;  // With set-user-ID, set-group-ID and sticky bits.
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0, links = 0, inode = 0;
  uint64_t modified_ns = 0;  // Since 1970; 0 for times before.
  std::string target{};      // Of a symbolic link.
};

struct FileRange {
  uint64_t offset = 0;
  uint64_t size = UINT64_MAX;  // At most; to the end where it comes first.
};

enum class FileWriteMode : uint8_t {
  kReplace,  // What is there is replaced at once, when all has arrived; until then, and where that fails, it stays.
  kAppend,
  kCreate,  // Fails with EEXIST where something is there. What fails later leaves what had arrived.
};

struct FileWrite {
  FileWriteMode mode = FileWriteMode::kReplace;
  uint32_t permissions = 0644;  // Of a file that is new or replaced.
  std::optional<User> owner{};  // Of the same; without: the sandbox's user.
};

enum class MissingParents : uint8_t { kRefused, kMade };
enum class Removal : uint8_t {
  kOne,   // A file, or an empty directory.
  kTree,  // A directory and all in it; never across a mount.
};

// Paths are absolute and of the guest, where root looks them up. Errors of the guest have its errno (Error::sys_errno)
// and name the path; ENOENT is kNotFound, EACCES and EPERM kPermission, the others kGuest. kUnavailable: the sandbox
// does not run. Each call ends within `deadline` (kTimeout), those with a stream when nothing moves for as long as
// `patience`. It holds nothing: many threads can use one at once.
class Files {
 public:
  using Deadline = Sandbox::Deadline;
  static constexpr Deadline kUsual = Sandbox::kUsual;
  static constexpr uint64_t kUsualMost = 16 << 20;

  explicit Files(Sandbox sandbox) : sandbox_(std::move(sandbox)) {}

  // A whole file. kGuest with EFBIG where it holds more than `most` bytes.
  Result<std::string> read(const std::string& path, uint64_t most = kUsualMost, Deadline deadline = kUsual) const;
  // A part of one, piece by piece; how much there was. An error of the taker ends it and is the result.
  using Taker = std::function<Result<void>(std::span<const std::byte>)>;
  Result<uint64_t> read(const std::string& path, FileRange range, const Taker& taker, Deadline patience = kUsual) const;
  // The same to a descriptor of the caller.
  Result<uint64_t> read_to(int fd, const std::string& path, FileRange range = {}, Deadline patience = kUsual) const;

  Result<void> write(const std::string& path, std::string_view contents, const FileWrite& how = {},
                     Deadline deadline = kUsual) const;
  // What `giver` gives, piece by piece, until that is empty. An error of the giver ends it and is the result.
  using Giver = std::function<Result<std::span<const std::byte>>()>;
  Result<void> write(const std::string& path, const Giver& giver, const FileWrite& how = {},
                     Deadline patience = kUsual) const;
  // What comes from a descriptor of the caller until its end.
  Result<void> write_from(int fd, const std::string& path, const FileWrite& how = {}, Deadline patience = kUsual) const;

  // Symbolic links are not followed.
  Result<FileStatus> status(const std::string& path, Deadline deadline = kUsual) const;
  // What lies in a directory, in no order.
  Result<std::vector<FileStatus>> list(const std::string& path, Deadline deadline = kUsual) const;
  // With parents made it is no error where it is there. It is root's.
  Result<void> make_directory(const std::string& path, uint32_t permissions = 0755,
                              MissingParents parents = MissingParents::kRefused, Deadline deadline = kUsual) const;
  // What is at `to` is replaced, as rename(2) does. Not from one mount to another (EXDEV).
  Result<void> move(const std::string& from, const std::string& to, Deadline deadline = kUsual) const;
  Result<void> remove(const std::string& path, Removal removal = Removal::kOne, Deadline deadline = kUsual) const;

 private:
  Sandbox sandbox_;
};

}  // namespace cloche
