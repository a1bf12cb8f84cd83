// The formatter behind every fmt::format(), compiled once for all (format_once.cc) instead of into each file that calls
// it, which took as long as the rest of such a file and longer. Part of the precompiled headers; who compiles without
// them has a copy of his own and misses nothing. From fmt 11 on the library has it so itself.
#pragma once
#include <fmt/format.h>

#if FMT_VERSION < 110000
extern template void fmt::detail::vformat_to<char>(fmt::detail::buffer<char>&, fmt::string_view, fmt::format_args,
                                                   fmt::detail::locale_ref);
#endif
