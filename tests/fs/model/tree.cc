#include "tree.h"

#include <fcntl.h>
#include <stdio.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

namespace cloche::model {
namespace {

constexpr int kMostLinks = 40;  // Symlinks in one walk.

void split(std::string_view path, std::deque<std::string>& out, size_t at) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(at), parts.begin(), parts.end());
}

bool lies_below(const Node* node, const Node* above) {
  while (node != nullptr && node != above) node = node->parent;
  return node == above;
}

}  // namespace

nlink_t Node::links() const {
  if (!is_directory()) return names;
  auto is_dir = [](const auto& entry) { return entry.second->is_directory(); };
  return 2 + static_cast<nlink_t>(std::ranges::count_if(children, is_dir));
}

Tree::Tree() : root_(std::make_shared<Node>(Node{.type = Type::kDirectory, .mode = 0755})) {}

size_t Tree::count(const Node& node) {
  size_t all = 1;
  for (auto& [name, child] : node.children) all += count(*child);
  return all;
}

Place Tree::find(std::string_view path, Last last) const {
  std::deque<std::string> rest;
  split(path, rest, 0);
  if (rest.empty() || path == ".") return {.name = ".", .node = root_};
  NodePtr here = root_;
  for (int links = 0;;) {
    if (!here->is_directory()) return {.error = ENOTDIR};
    std::string name = std::move(rest.front());
    rest.pop_front();
    auto found = here->children.find(name);
    NodePtr child = found == here->children.end() ? nullptr : found->second;
    bool is_last = rest.empty();
    bool is_link = child != nullptr && child->type == Type::kSymlink;
    if (is_link && (!is_last || last == Last::kFollow)) {
      if (links++ >= kMostLinks) return {.error = ELOOP};
      split(child->data, rest, 0);
      continue;
    }
    if (is_last) return {.parent = here.get(), .name = std::move(name), .node = std::move(child)};
    if (child == nullptr) return {.error = ENOENT};
    here = std::move(child);
  }
}

NodePtr Tree::add(const Place& place, Node node) {
  auto added = std::make_shared<Node>(std::move(node));
  if (added->is_directory()) {
    added->parent = place.parent;
  } else {
    added->names = 1;
  }
  place.parent->children[place.name] = added;
  return added;
}

int Tree::make(std::string_view path, Node node) {
  Place place = find(path, Last::kKeep);
  if (place.error != 0) return place.error;
  if (place.node != nullptr) return EEXIST;
  add(place, std::move(node));
  return 0;
}

int Tree::link(std::string_view from, std::string_view to) {
  Place source = find(from, Last::kKeep);
  if (int error = source.missing()) return error;
  return link(source.node, to);
}

int Tree::link(const NodePtr& node, std::string_view to) {
  Place place = find(to, Last::kKeep);
  if (place.error != 0) return place.error;
  if (place.node != nullptr) return EEXIST;
  if (node->is_directory()) return EPERM;
  if (node->names == 0 && !node->linkable) return ENOENT;
  node->linkable = false;
  place.parent->children[place.name] = node;
  ++node->names;
  return 0;
}

int Tree::unlink(std::string_view path) {
  Place place = find(path, Last::kKeep);
  if (int error = place.missing()) return error;
  if (place.node->is_directory()) return EISDIR;
  --place.node->names;
  place.parent->children.erase(place.name);
  return 0;
}

int Tree::rmdir(std::string_view path) {
  Place place = find(path, Last::kKeep);
  if (int error = place.missing()) return error;
  if (!place.node->is_directory()) return ENOTDIR;
  if (!place.node->children.empty()) return ENOTEMPTY;
  place.parent->children.erase(place.name);
  return 0;
}

// In the order in which Linux looks (fs/namei.c: do_renameat2, vfs_rename).
int Tree::check_rename(const Place& from, const Place& to, unsigned flags) const {
  bool exchange = flags & RENAME_EXCHANGE;
  if (from.error != 0) return from.error;
  if (to.error != 0) return to.error;
  if (from.node == nullptr) return ENOENT;
  if ((flags & RENAME_NOREPLACE) && to.node != nullptr) return EEXIST;
  if (exchange && to.node == nullptr) return ENOENT;
  bool apart = from.parent != to.parent;
  if (apart && from.node->is_directory() && lies_below(to.parent, from.node.get())) return EINVAL;
  bool above = apart && to.node != nullptr && to.node->is_directory() && lies_below(from.parent, to.node.get());
  if (above) return exchange ? EINVAL : ENOTEMPTY;
  if (from.node == to.node || exchange || to.node == nullptr) return 0;
  if (from.node->is_directory() && !to.node->is_directory()) return ENOTDIR;
  if (!from.node->is_directory() && to.node->is_directory()) return EISDIR;
  if (to.node->is_directory() && !to.node->children.empty()) return ENOTEMPTY;
  return 0;
}

void Tree::move(const Place& from, const Place& to, unsigned flags) {
  if (flags & RENAME_EXCHANGE) {
    std::swap(from.parent->children[from.name], to.parent->children[to.name]);
    if (to.node->is_directory()) to.node->parent = from.parent;
  } else {
    if (to.node != nullptr && !to.node->is_directory()) --to.node->names;
    from.parent->children.erase(from.name);
    to.parent->children[to.name] = from.node;
    if (flags & RENAME_WHITEOUT) add({.parent = from.parent, .name = from.name}, {.type = Type::kWhiteout});
  }
  if (from.node->is_directory()) from.node->parent = to.parent;
}

int Tree::rename(std::string_view from, std::string_view to, unsigned flags) {
  if ((flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) && (flags & RENAME_EXCHANGE)) return EINVAL;
  Place source = find(from, Last::kKeep), target = find(to, Last::kKeep);
  int error = check_rename(source, target, flags);
  if (error == 0 && source.node != target.node) move(source, target, flags);
  return error;
}

}  // namespace cloche::model
