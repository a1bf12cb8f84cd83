// setxattr(2), getxattr(2), listxattr(2), removexattr(2).
#include "checks.h"

#include <sys/xattr.h>

namespace cloche::posix {
namespace {

int set(const char* path, const char* name, const std::string& value, int flags = 0) {
  return err(::setxattr(path, name, value.data(), value.size(), flags));
}

std::string get(const char* path, const char* name) {
  std::string out(70'000, '\0');
  ssize_t got = ::getxattr(path, name, out.data(), out.size());
  if (got < 0) return errno_name(errno);
  out.resize(static_cast<size_t>(got));
  return out;
}

// The names of the user's, each with a NUL behind it counted.
long user_names(const char* path) {
  std::string out(70'000, '\0');
  ssize_t got = ::listxattr(path, out.data(), out.size());
  long size = 0;
  for (ssize_t at = 0; at < got;) {
    std::string name = out.c_str() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    if (name.starts_with("user.")) size += static_cast<long>(name.size()) + 1;
  }
  return size;
}

void values(Checks& check) {
  for (bool directory : {false, true}) {
    directory ? static_cast<void>(::mkdir("n", 0755)) : put("n", "");
    Moment before("n");
    check.ok("set", set("n", "user.one", "value"));
    check.text("times", before.changed(), "ctime");
    check.text("get", get("n", "user.one"), "value");
    check.ok("replace", set("n", "user.one", "longer value"));
    check.text("get", get("n", "user.one"), "longer value");
    check.ok("empty", set("n", "user.empty", ""));
    check.text("get empty", get("n", "user.empty"), "");
    std::string binary("\0\xff\1\0", 4);
    check.ok("binary", set("n", "user.binary", binary));
    check.yes("get binary", get("n", "user.binary") == binary);
    check.ok("3000 bytes", set("n", "user.large", std::string(3000, 'v')));
    check.equal("probe", ::getxattr("n", "user.large", nullptr, 0), 3000);
    char small[10];
    check.is("too small", err(::getxattr("n", "user.large", small, sizeof small)), ERANGE);
    check.equal("names", user_names("n"), 9 + 11 + 12 + 11);
    check.is("list too small", err(::listxattr("n", small, sizeof small)), ERANGE);
    check.ok("remove", err(::removexattr("n", "user.one")));
    check.text("gone", get("n", "user.one"), "ENODATA");
    check.is("remove again", err(::removexattr("n", "user.one")), ENODATA);
    check.equal("names", user_names("n"), 11 + 12 + 11);
    File file("n", O_RDONLY);
    check.ok("fsetxattr", err(::fsetxattr(file.fd(), "user.f", "x", 1, 0)));
    check.text("get", get("n", "user.f"), "x");
    remove_any("n");
  }
}

void errors(Checks& check) {
  put("file", "");
  check.ok("create", set("file", "user.a", "1", XATTR_CREATE));
  check.is("create again", set("file", "user.a", "2", XATTR_CREATE), EEXIST);
  check.ok("replace", set("file", "user.a", "3", XATTR_REPLACE));
  check.is("replace missing", set("file", "user.b", "4", XATTR_REPLACE), ENODATA);
  check.is("both", set("file", "user.a", "5", XATTR_CREATE | XATTR_REPLACE), EEXIST);
  check.is("bad flag", set("file", "user.a", "5", 0x100), EINVAL);
  check.is("no name", set("file", "", "5"), ERANGE);
  check.is("256 bytes", set("file", ("user." + long_name(251)).c_str(), "5"), ERANGE);
  check.ok("255 bytes", set("file", ("user." + long_name(250)).c_str(), "5"));
  check.is("no namespace", set("file", "nonsense", "5"), EOPNOTSUPP);
  check.is("nothing behind the dot", set("file", "user.", "5"), EINVAL);
  check.is("65537 bytes", set("file", "user.a", std::string(65537, 'v')), E2BIG);
  check.is("missing file", set("none", "user.a", "5"), ENOENT);
  check.text("unchanged", get("file", "user.a"), "3");
  ::symlink("file", "link");
  check.text("through a link", get("link", "user.a"), "3");
  check.is("of a link", err(::lsetxattr("link", "user.a", "x", 1, 0)), EPERM);
  make(Type::kFifo, "fifo");
  check.is("of a fifo", set("fifo", "user.a", "x"), EPERM);
}

void permissions(Checks& check) {
  put("file", "");
  set("file", "user.a", "1");
  as({.uid = kUser}, [&] {
    check.text("read", get("file", "user.a"), "1");
    check.is("write", set("file", "user.a", "2"), EACCES);
    check.is("remove", err(::removexattr("file", "user.a")), EACCES);
  });
  ::chmod("file", 0600);
  as({.uid = kUser}, [&] { check.text("unreadable", get("file", "user.a"), "EACCES"); });
  ::mkdir("sticky", 01777);
  ::chmod("sticky", 01777);
  as({.uid = kUser}, [&] { check.is("of another's sticky directory", set("sticky", "user.a", "x"), EPERM); });
}

// A file's capabilities go when it is written to or given away.
void capability(Checks& check) {
  // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
  const std::string value("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  for (int how = 0; how < 3; ++how) {
    put("file", "data");
    check.ok("set", set("file", "security.capability", value));
    check.equal("there", ::getxattr("file", "security.capability", nullptr, 0), 20);
    if (how == 0) ::chown("file", 5, 5);
    if (how == 1) ::pwrite(File("file", O_WRONLY).fd(), "x", 1, 0);
    if (how == 2) ::truncate("file", 1);
    check.text("gone", get("file", "security.capability"), "ENODATA");
    ::unlink("file");
  }
}

}  // namespace

std::vector<Case> xattr_cases() {
  return {{"xattr_values", Needs::kUserXattr, values},
          {"xattr_errors", Needs::kUserXattr, errors},
          {"xattr_permissions", Needs::kRootAndXattr, permissions},
          {"xattr_capability", Needs::kRoot, capability}};
}

}  // namespace cloche::posix
