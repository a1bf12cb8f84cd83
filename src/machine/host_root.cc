#include "machine/host_root.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <string>
#include <utility>
#include <vector>

namespace cloche {
namespace {

using Children = std::vector<std::pair<std::string, fs::Node>>;

constexpr const char* kProgramDirectories[] = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};

// What programs read to run at all. A list of what is in, never of what is out: a new secret in /etc stays out by
// itself.
constexpr const char* kEtc[] = {"alternatives",
                                "bash.bashrc",
                                "bindresvport.blacklist",
                                "ca-certificates",
                                "ca-certificates.conf",
                                "debian_version",
                                "default/locale",
                                "dpkg/origins",
                                "emacs",
                                "fonts",
                                "gai.conf",
                                "group",
                                "gitattributes",
                                "host.conf",
                                "inputrc",
                                "issue",
                                "java-11-openjdk",
                                "java-17-openjdk",
                                "java-21-openjdk",
                                "ld.so.cache",
                                "ld.so.conf",
                                "ld.so.conf.d",
                                "localtime",
                                "locale.alias",
                                "locale.conf",
                                "locale.gen",
                                "login.defs",
                                "lsb-release",
                                "magic",
                                "magic.mime",
                                "mailcap",
                                "mime.types",
                                "nanorc",
                                "networks",
                                "nsswitch.conf",
                                "ocaml",
                                "os-release",
                                "papersize",
                                "passwd",
                                "perl",
                                "profile",
                                "profile.d",
                                "protocols",
                                "python2.7",
                                "python3",
                                "python3.9",
                                "python3.10",
                                "python3.11",
                                "python3.12",
                                "python3.13",
                                "R",
                                "rpc",
                                "ruby",
                                "sensible",
                                "services",
                                "shells",
                                "skel",
                                "ssl/certs",
                                "ssl/openssl.cnf",
                                "terminfo",
                                "timezone",
                                "vim",
                                "xattr.conf",
                                "xdg"};

// Empty directories that programs expect to find.
constexpr const char* kEmpty[] = {"dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys"};

Result<fs::Node> host_node(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) < 0) return fail_errno("look at " + path);
  if (S_ISLNK(status.st_mode)) {
    std::array<char, PATH_MAX> target;
    ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return fail_errno("read link " + path);
    return fs::Node::symlink(std::string(target.data(), static_cast<size_t>(size)));
  }
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode))
    return fail(ErrorCode::kUnsupported, path + " is not a file");
  return fs::Node::host(TRY(open_file(path, O_PATH | O_NOFOLLOW)));
}

// Adds `name` ("a" or "a/b") of host directory `base` to `children`; what is not there or not readable is left out.
void add(Children& children, const std::string& base, const std::string& name) {
  auto node = host_node(base + "/" + name);
  if (node) children.emplace_back(name, std::move(*node));
}

fs::Node make_etc() {
  Children etc;
  std::vector<std::pair<std::string, Children>> nested;
  for (const char* entry : kEtc) {
    std::string name = entry;
    size_t slash = name.find('/');
    if (slash == std::string::npos) {
      add(etc, "/etc", name);
      continue;
    }
    std::string parent = name.substr(0, slash);
    if (nested.empty() || nested.back().first != parent) nested.emplace_back(parent, Children{});
    add(nested.back().second, "/etc/" + parent, name.substr(slash + 1));
  }
  for (auto& [parent, children] : nested) etc.emplace_back(parent, fs::Node::directory(std::move(children)));
  etc.emplace_back("hosts", fs::Node::file("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"));
  // What a network's DNS servers are written over.
  etc.emplace_back("resolv.conf", fs::Node::file(""));
  etc.emplace_back("mtab", fs::Node::symlink("/proc/self/mounts"));
  return fs::Node::directory(std::move(etc));
}

}  // namespace

Result<fs::Node> make_host_root() {
  Children root;
  for (const char* name : kProgramDirectories) add(root, "", name);
  if (root.empty()) return fail(ErrorCode::kUnavailable, "this host has no /usr to show");
  root.emplace_back("etc", make_etc());
  for (const char* name : kEmpty) root.emplace_back(name, fs::Node::directory({}));
  root.emplace_back("tmp", fs::Node::directory({}, 01777));
  Children var;
  for (const char* name : {"cache", "lib", "log", "spool"}) var.emplace_back(name, fs::Node::directory({}));
  var.emplace_back("tmp", fs::Node::directory({}, 01777));
  var.emplace_back("run", fs::Node::symlink("/run"));
  root.emplace_back("var", fs::Node::directory(std::move(var)));
  return fs::Node::directory(std::move(root));
}

}  // namespace cloche
