/** As much of a browser as a sign-in needs: cookies, redirects and forms. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  /** Opens an address, signs in as `login` and agrees wherever it is asked, and returns the text of the last page. */
  async signIn(address: string, login: string): Promise<string> {
    let page = await this.#open(address);
    for (let forms = 0; forms < 5 && page.text.includes("<form"); forms += 1) {
      const action = /<form[^>]+action="([^"]+)"/.exec(page.text)?.[1] ?? "";
      const prompt = /name="prompt" value="(\w+)"/.exec(page.text)?.[1] ?? "";
      const fields = { prompt, ...(prompt === "login" && { login, password: "any" }) };
      page = await this.#open(new URL(action, page.url).href, new URLSearchParams(fields));
    }
    return page.text;
  }

  /** Leaves the form of the issuer by its link `[ Abort ]`. */
  async abort(address: string): Promise<string> {
    const page = await this.#open(address);
    const link = /<a href="([^"]+\/abort)"/.exec(page.text)?.[1] ?? "";
    return (await this.#open(new URL(link, page.url).href)).text;
  }

  async #open(
    address: string,
    form?: URLSearchParams,
  ): Promise<{ readonly url: string; readonly text: string }> {
    let url = address;
    let body = form;
    for (let redirects = 0; redirects < 10; redirects += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const reply = await fetch(url, {
        redirect: "manual",
        headers: { cookie },
        ...(body && { method: "POST", body }),
      });
      for (const line of reply.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (value === "") this.#cookies.delete(name);
        else this.#cookies.set(name, value);
      }
      const location = reply.headers.get("location");
      if (location === null) return { url, text: await reply.text() };
      url = new URL(location, url).href;
      body = undefined;
    }
    throw new Error(`${address} redirects without end`);
  }
}
