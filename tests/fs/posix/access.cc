// access(2), faccessat(2), and search permission along a path.
#include "checks.h"

namespace cloche::posix {
namespace {

void modes(Checks& check) {
  for (Type type : check.types()) {
    if (type == Type::kSymlink) continue;
    make(type, "n");
    ::chown("n", kUser, kUser);
    for (unsigned mode = 0; mode < 8; ++mode) {
      ::chmod("n", mode << 6 | (7 - mode));
      for (int wanted = 0; wanted < 8; ++wanted) {
        std::string what =
            std::string(name_of(type)) + " " + octal(mode) + " for " + octal(static_cast<unsigned>(wanted));
        auto bits = static_cast<unsigned>(wanted);
        as({.uid = kUser}, [&] { check.is(what, err(::access("n", wanted)), (mode & bits) == bits ? 0 : EACCES); });
        unsigned others = 7 - mode;
        as({.uid = kOther, .gid = kOther},
           [&] { check.is(what + " other", err(::access("n", wanted)), (others & bits) == bits ? 0 : EACCES); });
      }
    }
    remove_any("n");
  }
}

void root(Checks& check) {
  put("file", "");
  ::chmod("file", 0);
  check.ok("read and write", err(::access("file", R_OK | W_OK)));
  check.is("nobody executes it", err(::access("file", X_OK)), EACCES);
  ::chmod("file", 0001);
  check.ok("somebody does", err(::access("file", X_OK)));
  ::mkdir("dir", 0);
  ::chmod("dir", 0);
  check.ok("directory", err(::access("dir", R_OK | W_OK | X_OK)));
}

void errors(Checks& check) {
  put("file", "");
  ::symlink("loop", "loop");
  check.is("missing", err(::access("none", F_OK)), ENOENT);
  check.is("below a file", err(::access("file/x", F_OK)), ENOTDIR);
  check.is("loop", err(::access("loop", F_OK)), ELOOP);
  check.is("256 bytes", err(::access(long_name(256).c_str(), F_OK)), ENAMETOOLONG);
  check.is("bad mode", err(::access("file", 8)), EINVAL);
  check.ok("dot", err(::access(".", F_OK)));
}

// Each directory on the way must let one through, whatever the file itself allows.
void along_a_path(Checks& check) {
  ::mkdir("a", 0755);
  ::mkdir("a/b", 0755);
  put("a/b/file", "data");
  for (const char* closed : {"a", "a/b"}) {
    ::chmod(closed, 0644);
    as({.uid = kUser}, [&] {
      check.is(std::string("stat under ") + closed, err(::access("a/b/file", F_OK)), EACCES);
      check.is("open", File("a/b/file", O_RDONLY).error(), EACCES);
      check.is("dot dot", err(::access("a/b/../b/file", F_OK)), EACCES);
    });
    ::chmod(closed, 0711);
    as({.uid = kUser}, [&] {
      check.ok("with search alone", File("a/b/file", O_RDONLY).error());
      check.is("not listed", File(closed, O_RDONLY | O_DIRECTORY).error(), EACCES);
    });
    ::chmod(closed, 0755);
  }
}

}  // namespace

std::vector<Case> access_cases() {
  return {{"access_modes", Needs::kRoot, modes},
          {"access_root", Needs::kRoot, root},
          {"access_errors", Needs::kNothing, errors},
          {"access_along_a_path", Needs::kRoot, along_a_path}};
}

}  // namespace cloche::posix
