#include <muster/error.h>

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <typeinfo>

namespace muster {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalid:
      return "invalid";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kTimeout:
      return "timeout";
    case ErrorCode::kOverloaded:
      return "overloaded";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kFailed:
      return "failed";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

std::string Error::describe() const {
  std::string text(to_string(code));
  if (!type.empty()) text += " [" + type + "]";
  return text + ": " + message;
}

Exception::Exception(Error error)
    : std::runtime_error(error.describe()), error_(std::move(error)) {}

std::string detail::type_name(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return text ? text.get() : type.name();
}

Error error_from_current_exception() {
  try {
    throw;
  } catch (const Exception& e) {
    return e.error();
  } catch (const std::exception& e) {
    return Error{ErrorCode::kFailed, e.what(), detail::type_name(typeid(e))};
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return Error{ErrorCode::kFailed, "an exception that is not a std::exception",
                 type ? detail::type_name(*type) : "unknown"};
  }
}

namespace detail {

int& handler_depth() noexcept {
  thread_local int depth = 0;
  return depth;
}

void check_failed(const char* file, int line, const char* condition, const std::string& operands) {
  std::string text =
      std::string(file) + ":" + std::to_string(line) + ": check failed: " + condition;
  if (!operands.empty()) text += " (" + operands + ")";
  if (handler_depth() > 0) throw CheckFailure(text);
  std::fprintf(stderr, "muster: %s\n", text.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace detail
}  // namespace muster
