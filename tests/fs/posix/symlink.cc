// symlink(2), readlink(2).
#include "checks.h"

namespace cloche::posix {
namespace {

std::string target_of(const char* path, size_t room = 5000) {
  std::string out(room, '\0');
  ssize_t got = ::readlink(path, out.data(), room);
  out.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return out;
}

void targets(Checks& check) {
  std::string odd;
  for (int byte = 1; byte < 256; ++byte) odd.push_back(static_cast<char>(byte));
  for (const std::string& target : {std::string("x"), std::string("/"), std::string("../.."), std::string("a//b/./"),
                                    odd, long_name(255), long_name(1024), long_name(4095)}) {
    check.ok("symlink", err(::symlink(target.c_str(), "n")));
    check.yes("its target", target_of("n") == target);
    check.equal("its size", status("n").st_size, static_cast<long>(target.size()));
    check.text("its mode", octal(status("n").st_mode), octal(S_IFLNK | 0777));
    check.text("cut short", target_of("n", 1), target.substr(0, 1));
    ::unlink("n");
  }
  check.is("too long", err(::symlink(long_name(4096).c_str(), "n")), ENAMETOOLONG);
  check.is("empty", err(::symlink("", "n")), ENOENT);
}

void errors(Checks& check) {
  put("file", "");
  ::mkdir("dir", 0755);
  char out[8];
  check.is("readlink of a file", err(::readlink("file", out, 8)), EINVAL);
  check.is("readlink of a directory", err(::readlink("dir", out, 8)), EINVAL);
  check.is("readlink of nothing", err(::readlink("none", out, 8)), ENOENT);
  check.is("no room", err(::readlink("file", out, 0)), EINVAL);
  check.is("in a missing directory", err(::symlink("x", "none/n")), ENOENT);
  check.is("below a file", err(::symlink("x", "file/n")), ENOTDIR);
  check.is("256 bytes", err(::symlink("x", long_name(256).c_str())), ENAMETOOLONG);
  for (Type type : check.types()) {
    make(type, "n");
    Moment above(".");
    check.is(name_of(type), err(::symlink("x", "n")), EEXIST);
    check.text("directory", above.changed(), "none");
    remove_any("n");
  }
  Moment above(".");
  check.ok("symlink", err(::symlink("x", "n")));
  check.text("directory", above.changed(), "mtime ctime");
}

void chains(Checks& check) {
  put("file", "data");
  ::symlink("file", "l0");
  for (int i = 1; i <= 40; ++i) ::symlink(("l" + std::to_string(i - 1)).c_str(), ("l" + std::to_string(i)).c_str());
  check.text("40 links", contents("l39"), "data");
  check.is("41 links", File("l40", O_RDONLY).error(), ELOOP);
  ::mkdir("dir", 0755);
  ::symlink("../file", "dir/up");
  ::symlink("dir", "to-dir");
  check.text("through directories", contents("to-dir/up"), "data");
  check.is("remove a directory by a link", err(::rmdir("to-dir/")), ENOTDIR);
}

void owner(Checks& check) {
  ::mkdir("dir", 0777);
  ::chmod("dir", 0777);
  as({.uid = kUser, .gid = kOther}, [&] { check.ok("symlink", err(::symlink("x", "dir/n"))); });
  check.text("owner", owner_of("dir/n"), "65534:65533");
  ::chmod("dir", 0755);
  as({.uid = kUser}, [&] { check.is("unwritable", err(::symlink("x", "dir/m")), EACCES); });
}

}  // namespace

std::vector<Case> symlink_cases() {
  return {{"symlink_targets", Needs::kNothing, targets},
          {"symlink_errors", Needs::kNothing, errors},
          {"symlink_chains", Needs::kNothing, chains},
          {"symlink_owner", Needs::kRoot, owner}};
}

}  // namespace cloche::posix
