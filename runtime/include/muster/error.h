#pragma once
/// Errors of Muster: bugs abort or end an actor (MUSTER_CHECK), expected failures are values
/// (Result) or, in the plain forms of the API, one exception type that carries the same value.
///
/// Threads: everything here is a value and safe to use from any thread.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <typeinfo>
#include <utility>

namespace muster {

/// What went wrong, as far as it decides what the caller should do next. The numbers cross the
/// wire and never change. docs/errors.md has the full table.
enum class ErrorCode : std::uint16_t {
  kInvalid = 1,      ///< The request itself is wrong: fix the call, the file or the flag.
  kNotFound = 2,     ///< No such actor, name, method or file: check the name, or wait for it.
  kTimeout = 3,      ///< The deadline passed: the work may or may not have happened.
  kOverloaded = 4,   ///< A bounded queue was full and nothing was done: back off and retry.
  kUnavailable = 5,  ///< The actor or node is gone: look it up again or join again; one
                     ///< that is restarted takes the next call.
  kDenied = 6,       ///< Authentication or permission failed: fix the credentials.
  kCancelled = 7,    ///< Cancelled by the caller or by shutdown: nothing to do.
  kFailed = 8,       ///< The handler threw: `type` and `message` are the remote exception's.
  kCorrupt = 9,      ///< Bytes from outside break their format: discard the source.
  kInternal = 10,    ///< A bug of Muster or of the environment: report it.
};

/// "invalid", "not_found", ... ; "unknown" for a number that no code has.
std::string_view to_string(ErrorCode code) noexcept;

/// An expected failure: a code to act on and one cause to read.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message = {};  ///< One real cause: what was found, what was expected, where.
  std::string type = {};     ///< For kFailed: the exception's type as its process named it.

  /// "timeout: no reply from ..." ; with the type in brackets when there is one.
  std::string describe() const;
  friend bool operator==(const Error&, const Error&) = default;
};

/// The one exception type that Muster throws for expected failures.
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error);
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

/// A value or an Error. Has .value(), .error(), operator bool, and the monadic members of
/// std::expected (map, and_then, or_else).
template <class T>
using Result = tl::expected<T, Error>;

/// `return fail(ErrorCode::kInvalid, "...")` from a function that returns any Result.
inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}});
}
inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

/// The value of `result`, or throws Exception with its error.
template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw Exception(std::move(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// The Error that describes the exception in flight. Call only inside a catch block. An Exception
/// keeps its error; any other std::exception becomes kFailed with its demangled type and what().
Error error_from_current_exception();

/// Thrown by MUSTER_CHECK inside an actor's handler: the runtime ends that actor with it.
/// Never catch it as control flow.
class CheckFailure : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
/// Throws CheckFailure inside a handler; elsewhere prints `text` to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& operands);
/// Nesting count of handlers on this thread; above zero, check_failed throws.
int& handler_depth() noexcept;
/// As people write it.
std::string type_name(const std::type_info& type);
}  // namespace detail
}  // namespace muster

#include <muster/detail/check.h>
