#include "devices/fs/node.h"

namespace cloche::fs {

Node Node::host(Fd path_fd) {
  Node node(Kind::kHost, 0);
  node.host_ = std::move(path_fd);
  return node;
}

Node Node::directory(std::vector<std::pair<std::string, Node>> children, uint32_t mode) {
  Node node(Kind::kDirectory, mode & 07777);
  node.children_ = std::move(children);
  return node;
}

Node Node::symlink(std::string target) {
  Node node(Kind::kSymlink, 0777);
  node.text_ = std::move(target);
  return node;
}

Node Node::file(std::string contents, uint32_t mode) {
  Node node(Kind::kFile, mode & 07777);
  node.text_ = std::move(contents);
  return node;
}

}  // namespace cloche::fs
