// Makes files of a tar stream, beneath one directory and nowhere else, whoever wrote the stream.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/fd.h"
#include "tar/reader.h"

namespace cloche::tar {

enum class Links {
  kInsideOnly,  // A symbolic link that is absolute, or may lead out of the tree, is refused.
  kAny,
};
enum class Devices { kRefused, kMade };
enum class Owners {
  kCaller,  // Whoever unpacks.
  kKept,
  kGiven,
};

struct UnpackOptions {
  // What the tree is to be called, in place of its first component (which may be "."); a stream with more than one tree
  // is then refused. Empty: as in the stream, which so has a say about everything in the directory. Of a stream that
  // one does not trust, give it a name.
  std::string name{};
  Links links = Links::kInsideOnly;
  Devices devices = Devices::kRefused;
  // A file is not set-user-ID or set-group-ID for another one than it was: those bits go unless owners are kept.
  Owners owners = Owners::kCaller;
  uint32_t uid = 0, gid = 0;  // For kGiven.
};

// Files replace what is there but a directory, directories merge. A directory's owner, mode and times are set at
// the end: until then only its maker may use it. The directory that is unpacked into itself (an entry "." without a
// name) is left as it is. A path in the stream never goes through a symbolic link.
class Unpacker final : private Reader::Handler {
 public:
  Unpacker(Fd directory, UnpackOptions options);
  ~Unpacker();  // A file of which not all has come is removed.
  Unpacker(const Unpacker&) = delete;
  Unpacker& operator=(const Unpacker&) = delete;

  // The next bytes of the stream. Errors name the entry; kInvalidArgument for streams that are refused. After one it
  // takes nothing any more and answers the same.
  Result<void> write(std::span<const std::byte> bytes);
  // To be called at the end of the stream: an error where that came too early.
  Result<void> finish();

 private:
  Result<void> begin(const Entry& entry) override;
  Result<void> data(uint64_t offset, std::span<const std::byte> bytes) override;
  Result<void> end() override;

  Result<void> make(const Entry& entry);
  Result<void> make_directory(const Entry& entry);
  Result<void> make_file();
  Result<void> make_hard_link(const Entry& entry);
  Result<void> make_symbolic_link(const Entry& entry);
  Result<void> make_node(const Entry& entry);

  // Where in the directory an entry of this name in the stream lies, clean.
  Result<std::string> place_of(const std::string& name);
  Result<void> check_link(const std::string& target) const;
  Result<Fd> open_beneath(const std::string& path, int flags) const;
  Result<Fd> open_parent(const std::string& path) const;
  Result<void> make_parents(const std::string& path) const;
  Result<void> clear_the_way() const;
  Result<void> settle_directories(const std::string& path);
  Result<void> set_attributes(int fd, const Entry& entry) const;
  Result<void> set_owner(const Entry& entry) const;
  Result<void> set_times(const Entry& entry) const;
  uint32_t mode_of(const Entry& entry) const;

  Fd directory_;
  UnpackOptions options_;
  Reader reader_;
  Result<void> so_far_;
  std::optional<std::string> top_;        // The first component that all entries have, where there is a name for it.
  std::map<std::string, Entry> pending_;  // Directories by place whose attributes are not set yet.
  size_t pending_bytes_ = 0;              // About.

  // The entry that is being made.
  Entry entry_;
  std::string path_;       // Its place.
  bool is_whole_ = false;  // Its tree is the directory that is unpacked into.
  std::string leaf_;
  std::string parent_path_;
  Fd parent_;
  Fd file_;
  uint64_t position_ = 0;
};

}  // namespace cloche::tar
