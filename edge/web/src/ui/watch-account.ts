/** The account in the bar of a page. Where there are no accounts the page is as without it. */

import { AccountDialogs } from "../account/dialogs";
import { FormDialog } from "../account/form";
import { AccountMenu } from "../account/menu";
import { session, type Session } from "../account/session";
import { Wallet } from "../account/wallet";
import { WalletDialog } from "../account/wallet-dialog";

export class PageAccount {
  readonly session: Session = session;
  readonly wallet = new Wallet(session);
  readonly form = new FormDialog();
  readonly dialogs = new AccountDialogs(session, this.form);
  /** What an item is called, once a catalogue is known. */
  nameOf: (item: string) => string = (item) => item;

  constructor(before: Element) {
    const purse = new WalletDialog(this.wallet, (item) => this.nameOf(item));
    before.before(new AccountMenu(session, this.wallet, this.dialogs, () => purse.open()).element);
    void session.restore();
  }
}
