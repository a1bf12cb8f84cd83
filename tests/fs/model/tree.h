// Tree: what a file system must hold after the operations so far, in memory, and the errno that Linux answers each
// operation on names with.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cloche::model {

enum class Type : uint8_t { kFile, kDirectory, kSymlink, kFifo, kWhiteout };

struct Node {
  Type type = Type::kFile;
  mode_t mode = 0;                                          // Permissions.
  std::string data{};                                       // Contents, or a symlink's target.
  std::map<std::string, std::shared_ptr<Node>> children{};  // Of a directory.
  Node* parent = nullptr;                                   // Of a directory.
  nlink_t names = 0;                                        // Of all others.
  std::optional<timespec> modified{};                       // Where it was set and nothing has happened since.
  bool mapped = false;    // Written through a mapping: its time changes whenever that reaches the file.
  bool linkable = false;  // Made by O_TMPFILE and not linked yet.

  bool is_directory() const { return type == Type::kDirectory; }
  nlink_t links() const;
  void touch() { modified.reset(); }
};
using NodePtr = std::shared_ptr<Node>;

enum class Last : uint8_t { kFollow, kKeep };  // What becomes of a symlink at a path's end.

// Where a path leads.
struct Place {
  int error = 0;  // Other than ENOENT of the last name, which is just no node.
  Node* parent = nullptr;
  std::string name{};
  NodePtr node{};

  int missing() const { return error != 0 ? error : node == nullptr ? 2 /* ENOENT */ : 0; }
};

class Tree {
 public:
  Tree();

  const NodePtr& root() const { return root_; }
  size_t size() const { return count(*root_); }
  // `path` is relative to the root and has no "..".
  Place find(std::string_view path, Last last) const;

  // Each returns the errno that the system call has, 0 when it was done.
  int make(std::string_view path, Node node);
  int link(std::string_view from, std::string_view to);
  int link(const NodePtr& nameless, std::string_view to);
  int unlink(std::string_view path);
  int rmdir(std::string_view path);
  int rename(std::string_view from, std::string_view to, unsigned flags);

  static NodePtr add(const Place& place, Node node);

 private:
  static size_t count(const Node& node);
  int check_rename(const Place& from, const Place& to, unsigned flags) const;
  void move(const Place& from, const Place& to, unsigned flags);

  NodePtr root_;
};

}  // namespace cloche::model
